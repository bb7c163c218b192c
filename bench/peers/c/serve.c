// The loop of a peer: read a job, prepare it if it is not the one that stands
// prepared, and reply with a name, the seconds of each repeat, or the result.
//
// A reply is an int32 status (0, or 1 and the payload is a line that says what
// is wrong), an int32 length of the payload in bytes, and the payload.
#define _GNU_SOURCE
#include "serve.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static float *memory[OPERANDS];
static size_t length[OPERANDS];
static int outputs[OPERANDS], output_count;

static float *allocate(int name, size_t n) {
	free(memory[name]);
	memory[name] = aligned_alloc(64, (n * sizeof(float) / 64 + 1) * 64);
	if (!memory[name]) {
		fprintf(stderr, "no memory for %zu values\n", n);
		exit(1);
	}
	length[name] = n;
	return memory[name];
}

// Values are SplitMix64 of a counter, the upper 24 bits as a number in [-1, 1).
float *operand(int name, size_t n) {
	float *x = allocate(name, n);
	for (size_t i = 0; i < n; i++) {
		uint64_t z = ((uint64_t)name << 40) + (i + 1) * 0x9E3779B97F4A7C15u;
		z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
		z = (z ^ z >> 27) * 0x94D049BB133111EBu;
		z ^= z >> 31;
		x[i] = (float)(z >> 40) * 0x1p-23f - 1;
	}
	return x;
}

float *output(int name, size_t n) {
	outputs[output_count++] = name;
	return memset(allocate(name, n), 0, n * sizeof(float));
}

static double seconds(clockid_t clock) {
	struct timespec t;
	clock_gettime(clock, &t);
	return t.tv_sec + 1e-9 * t.tv_nsec;
}

// settle waits until the threads of this process no longer spin, so that what
// the other side runs next has the cores for itself.
static void settle(void) {
	struct timespec ms = {0, 1000000};
	for (int i = 0; i < 200; i++) {
		double before = seconds(CLOCK_PROCESS_CPUTIME_ID);
		nanosleep(&ms, NULL);
		if (seconds(CLOCK_PROCESS_CPUTIME_ID) - before < 1e-4)
			return;
	}
}

static void reply(int32_t status, int32_t bytes) {
	int32_t head[2] = {status, bytes};
	fwrite(head, sizeof head, 1, stdout);
}

static void reply_text(int32_t status, const char *text) {
	reply(status, strlen(text));
	fwrite(text, strlen(text), 1, stdout);
}

// warm runs the work untimed, by the rule of warm in bench/compare.
static void warm(int threads) {
	double began = seconds(CLOCK_MONOTONIC), from = began, used = seconds(CLOCK_PROCESS_CPUTIME_ID);
	for (int runs = 1;; runs++) {
		run();
		double now = seconds(CLOCK_MONOTONIC), window = now - from;
		if (window < 2e-3)
			continue;
		double total = seconds(CLOCK_PROCESS_CPUTIME_ID);
		int spread = threads == 1 || window < runs * 50e-6 || total - used >= 0.9 * threads * window;
		if ((now - began >= 4e-3 && spread) || now - began >= 40e-3)
			return;
		from = now, used = total, runs = 0;
	}
}

static void reply_seconds(const struct job *j) {
	double *took = malloc(j->repeats * sizeof *took);
	warm(j->threads);
	for (int i = 0; i < j->repeats; i++) {
		double began = seconds(CLOCK_MONOTONIC);
		for (int c = 0; c < j->calls; c++)
			run();
		took[i] = (seconds(CLOCK_MONOTONIC) - began) / j->calls;
	}
	if (j->threads > 1)
		settle();
	reply(0, j->repeats * sizeof *took);
	fwrite(took, sizeof *took, j->repeats, stdout);
	free(took);
}

static void reply_result(void) {
	size_t n = 0;
	for (int i = 0; i < output_count; i++) {
		n += length[outputs[i]];
		memset(memory[outputs[i]], 0, length[outputs[i]] * sizeof(float));
	}
	run();
	reply(0, n * sizeof(float));
	for (int i = 0; i < output_count; i++)
		fwrite(memory[outputs[i]], sizeof(float), length[outputs[i]], stdout);
}

// same reports whether two jobs need the same preparation.
static int same(const struct job *a, const struct job *b) {
	return a->work == b->work && a->op == b->op && a->m == b->m && a->n == b->n && a->k == b->k && a->r == b->r && a->threads == b->threads;
}

int main(void) {
	struct job j, prepared = {0};
	while (fread(&j, sizeof j, 1, stdin) == 1) {
		const char *wrong = NULL;
		if (j.want == WANT_NAME) {
			reply_text(0, name());
		} else if (!same(&j, &prepared)) {
			output_count = 0;
			prepared = j;
			if ((wrong = prepare(&j))) {
				reply_text(1, wrong);
				prepared = (struct job){0};
			}
		}
		if (!wrong && j.want == WANT_SECONDS)
			reply_seconds(&j);
		if (!wrong && j.want == WANT_RESULT)
			reply_result();
		fflush(stdout);
	}
}
