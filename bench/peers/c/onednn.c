// oneDNN: dnnl_sgemm, and for a packed operand its matmul primitive with the
// weights reordered once into the layout that the primitive asks for.
#include "products.h"
#include <dnnl.h>
#include <omp.h>
#include <stdio.h>

#if DNNL_VERSION_MAJOR != 2
#error "written for the interface of oneDNN 2"
#endif

const char *name(void) {
	static char text[64];
	const dnnl_version_t *v = dnnl_version();
	snprintf(text, sizeof text, "oneDNN %d.%d.%d, instruction set 0x%x", v->major, v->minor, v->patch, dnnl_get_effective_cpu_isa());
	return text;
}

void set_threads(int n) { omp_set_num_threads(n); }

void gemm(int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc) {
	dnnl_sgemm(ta ? 'T' : 'N', tb ? 'T' : 'N', m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

static dnnl_engine_t engine;
static dnnl_stream_t stream;
static dnnl_primitive_t product;
static dnnl_memory_t memories[3]; // of product: source, weights, destination

// release gives back what the last pack made.
static void release(void) {
	if (product)
		dnnl_primitive_destroy(product);
	for (int i = 0; i < 3; i++)
		if (memories[i])
			dnnl_memory_destroy(memories[i]);
	product = 0;
	memories[0] = memories[1] = memories[2] = 0;
}

// reorder copies b, laid out as plain, into weights.
static int reorder(const dnnl_memory_desc_t *plain, const float *b, const dnnl_memory_desc_t *wanted, dnnl_memory_t weights) {
	dnnl_primitive_desc_t description;
	dnnl_primitive_t copy;
	dnnl_memory_t from;
	if (dnnl_memory_create(&from, plain, engine, (void *)b) ||
		dnnl_reorder_primitive_desc_create(&description, plain, engine, wanted, engine, 0) || dnnl_primitive_create(&copy, description))
		return 1;
	dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, weights}};
	int failed = dnnl_primitive_execute(copy, stream, 2, args) || dnnl_stream_wait(stream);
	dnnl_primitive_destroy(copy);
	dnnl_primitive_desc_destroy(description);
	dnnl_memory_destroy(from);
	return failed;
}

const char *pack(int tb, int m, int n, int k, const float *a, const float *b, float *c) {
	release();
	dnnl_dims_t source = {m, k}, weights = {k, n}, destination = {m, n};
	dnnl_memory_desc_t ma, mb, any, mc;
	dnnl_matmul_desc_t operation;
	dnnl_primitive_desc_t description;
	if (!engine && (dnnl_engine_create(&engine, dnnl_cpu, 0) || dnnl_stream_create(&stream, engine, dnnl_stream_default_flags)))
		return "oneDNN has no engine";
	if (dnnl_memory_desc_init_by_tag(&ma, 2, source, dnnl_f32, dnnl_ab) ||
		dnnl_memory_desc_init_by_tag(&mb, 2, weights, dnnl_f32, tb ? dnnl_ba : dnnl_ab) ||
		dnnl_memory_desc_init_by_tag(&any, 2, weights, dnnl_f32, dnnl_format_tag_any) ||
		dnnl_memory_desc_init_by_tag(&mc, 2, destination, dnnl_f32, dnnl_ab) ||
		dnnl_matmul_desc_init(&operation, &ma, &any, 0, &mc) || dnnl_primitive_desc_create(&description, &operation, 0, engine, 0) ||
		dnnl_primitive_create(&product, description))
		return "oneDNN refuses the product";
	const dnnl_memory_desc_t *wanted = dnnl_primitive_desc_query_md(description, dnnl_query_weights_md, 0);
	int failed = dnnl_memory_create(&memories[0], &ma, engine, (void *)a) ||
		dnnl_memory_create(&memories[1], wanted, engine, DNNL_MEMORY_ALLOCATE) || dnnl_memory_create(&memories[2], &mc, engine, c) ||
		reorder(&mb, b, wanted, memories[1]);
	dnnl_primitive_desc_destroy(description);
	return failed ? "oneDNN cannot reorder the weights" : 0;
}

void packed(void) {
	dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, memories[0]}, {DNNL_ARG_WEIGHTS, memories[1]}, {DNNL_ARG_DST, memories[2]}};
	dnnl_primitive_execute(product, stream, 3, args);
	dnnl_stream_wait(stream);
}
