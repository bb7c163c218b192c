// What a library of matrix products supplies, all matrices row-major.
void set_threads(int n);
void gemm(int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc);

// pack readies b (k×n, or n×k if tb) in the library's own layout for products
// with a into c; packed computes them.
const char *pack(int tb, int m, int n, int k, const float *a, const float *b, float *c);
void packed(void);
