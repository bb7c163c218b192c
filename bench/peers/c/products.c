// Products and low-rank adaptation as a program calls a library for them: one
// call a product, the frozen weight packed once where the library can.
#include "products.h"
#include "serve.h"

static struct job j;
static float *x, *w, *a, *b, *dy, *u, *v, *y, *dx, *da, *db;

static const float scaling = 2;

const char *prepare(const struct job *next) {
	j = *next;
	size_t m = j.m, n = j.n, k = j.k, r = j.r;
	set_threads(j.threads);
	if (j.work == MATMUL || j.work == MATMUL_PACKED) {
		x = operand(X, m * k);
		w = operand(W, k * n);
		y = output(Y, m * n);
		if (j.work == MATMUL)
			return 0;
		return j.op == TN ? "a packed operand is B alone" : pack(j.op == NT, m, n, k, x, w, y);
	}
	if (j.work < LOWRANK_FORWARD || j.work > ADAPTED_BACKWARD)
		return "work that this peer does not know";
	x = operand(X, m * k);
	a = operand(A, r * k);
	b = operand(B, n * r);
	if (j.work == ADAPTED_FORWARD || j.work == ADAPTED_BACKWARD)
		w = operand(W, n * k);
	if (j.work == LOWRANK_FORWARD || j.work == ADAPTED_FORWARD) {
		u = output(U, m * r);
		y = output(Y, m * n);
		return j.work == ADAPTED_FORWARD ? pack(1, m, n, k, x, w, y) : 0;
	}
	dy = operand(DY, m * n);
	u = operand(U, m * r);
	v = output(V, m * r);
	dx = output(DX, m * k);
	da = output(DA, r * k);
	db = output(DB, n * r);
	return j.work == ADAPTED_BACKWARD ? pack(0, m, k, n, dy, w, dx) : 0;
}

// forward is u = s·x·Aᵀ, y += u·Bᵀ.
static void forward(void) {
	gemm(0, 1, j.m, j.r, j.k, scaling, x, j.k, a, j.k, 0, u, j.r);
	gemm(0, 1, j.m, j.n, j.r, 1, u, j.r, b, j.r, 1, y, j.n);
}

// backward is v = s·dy·B, dx += v·A, dA = vᵀ·x, dB = dyᵀ·u.
static void backward(void) {
	gemm(0, 0, j.m, j.r, j.n, scaling, dy, j.n, b, j.r, 0, v, j.r);
	gemm(0, 0, j.m, j.k, j.r, 1, v, j.r, a, j.k, 1, dx, j.k);
	gemm(1, 0, j.r, j.k, j.m, 1, v, j.r, x, j.k, 0, da, j.k);
	gemm(1, 0, j.n, j.r, j.m, 1, dy, j.n, u, j.r, 0, db, j.r);
}

void run(void) {
	switch (j.work) {
	case MATMUL:
		gemm(j.op == TN, j.op == NT, j.m, j.n, j.k, 1, x, j.op == TN ? j.m : j.k, w, j.op == NT ? j.k : j.n, 0, y, j.n);
		break;
	case MATMUL_PACKED:
		packed();
		break;
	case LOWRANK_FORWARD:
		forward();
		break;
	case LOWRANK_BACKWARD:
		backward();
		break;
	case ADAPTED_FORWARD:
		packed();
		forward();
		break;
	case ADAPTED_BACKWARD:
		packed();
		backward();
		break;
	}
}
