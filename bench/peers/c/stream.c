// The bandwidth of the machine after McCalpin's STREAM: copy c = a and triad
// c = a + s·b over arrays of m elements, with plain stores, k times in a run so
// that starting threads does not count.
#include "serve.h"
#include <omp.h>

static struct job j;
static float *a, *b, *c;

const char *name(void) { return "copy and triad by gcc " __VERSION__; }

const char *prepare(const struct job *next) {
	j = *next;
	if (j.work != COPY && j.work != TRIAD)
		return "work that this peer does not know";
	omp_set_num_threads(j.threads);
	a = operand(A, j.m);
	b = operand(B, j.work == TRIAD ? j.m : 0);
	c = output(Y, j.m);
	return 0;
}

// part is the elements [from, to) of one thread, in whole cache lines.
static void part(int *from, int *to) {
	long n = omp_get_num_threads(), i = omp_get_thread_num(), lines = ((long)j.m + 15) / 16;
	*from = lines * i / n * 16;
	*to = i + 1 == n ? j.m : lines * (i + 1) / n * 16;
}

static void copy(int from, int to) {
	float *restrict to_ = c;
	const float *restrict from_ = a;
	for (int i = from; i < to; i++)
		to_[i] = from_[i];
}

static void triad(int from, int to) {
	float *restrict to_ = c;
	const float *restrict x = a, *restrict y = b;
	for (int i = from; i < to; i++)
		to_[i] = x[i] + 3 * y[i];
}

void run(void) {
	void (*body)(int, int) = j.work == COPY ? copy : triad;
	if (j.threads == 1) {
		for (int i = 0; i < j.k; i++)
			body(0, j.m);
		return;
	}
#pragma omp parallel
	{
		int from, to;
		part(&from, &to);
		for (int i = 0; i < j.k; i++)
			body(from, to);
	}
}
