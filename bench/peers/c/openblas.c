// OpenBLAS by cblas_sgemm. It has no call for a packed operand: pack remembers
// the operands, packed is the plain product.
#include "products.h"
#include <cblas.h>
#include <stdio.h>

const char *name(void) {
	static char text[256];
	snprintf(text, sizeof text, "%s", openblas_get_config()); // with the kernel that it chose
	return text;
}

void set_threads(int n) { openblas_set_num_threads(n); }

void gemm(int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc) {
	cblas_sgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

static struct {
	int tb, m, n, k;
	const float *a, *b;
	float *c;
} p;

const char *pack(int tb, int m, int n, int k, const float *a, const float *b, float *c) {
	p.tb = tb, p.m = m, p.n = n, p.k = k, p.a = a, p.b = b, p.c = c;
	return 0;
}

void packed(void) { gemm(0, p.tb, p.m, p.n, p.k, 1, p.a, p.k, p.b, p.tb ? p.k : p.n, 0, p.c, p.n); }
