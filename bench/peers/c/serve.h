// What the programs of the peers share: requests on standard input, replies on
// standard output, operands that both sides of the pipe can make by themselves.
#include <stddef.h>
#include <stdint.h>

// A job is one request; every field is a little-endian int32.
struct job {
	int32_t want, work, op, m, n, k, r, threads, calls, repeats;
};

enum { WANT_NAME, WANT_SECONDS, WANT_RESULT };
enum { MATMUL = 1, MATMUL_PACKED, LOWRANK_FORWARD, LOWRANK_BACKWARD, ADAPTED_FORWARD, ADAPTED_BACKWARD, COPY, TRIAD };
enum { NN, NT, TN };

// The operands by name; an operand's name is the seed of its values.
enum { X = 1, W, A, B, DY, U, V, Y, DX, DA, DB, OPERANDS };

// operand returns n values of the job's own, the same for the same name.
float *operand(int name, size_t n);

// output returns n zeros that are sent back as part of the result, in the order
// of the calls.
float *output(int name, size_t n);

// A program supplies these three. prepare returns NULL or what is wrong.
const char *name(void);
const char *prepare(const struct job *j);
void run(void);
