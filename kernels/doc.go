// Package kernels computes the float32 matrix products, low-rank products and
// element- and row-wise loops of a transformer, in assembly and in plain Go. It
// knows slices and sizes, no tensor and no graph.
//
// # Arguments
//
// Matrices are row-major slices with a leading dimension, the distance between
// two rows in elements, at least the number of columns. Sizes may be zero. No
// output may overlap another operand unless the function says so. A function
// checks its arguments before it computes anything, and panics with the name
// and the values of the argument that is wrong:
//
//	kernels: MatMul: len(b) = 90, need 128 (16 rows of 8, ld 8)
//
// # Levels
//
// A [Level] is a set of kernels: [Generic] is plain Go, [AVX2] and [AVX512] are
// for amd64, [NEON] is for arm64. The best one that the machine has is chosen at
// start; the environment variable LOWRANK_SIMD (generic, avx2, …) chooses another,
// as does [SetLevel].
// The build tag purego leaves all assembly out.
//
// # Sums
//
// The order of every sum is fixed. In a matrix product an element of C is the
// sum over k in ascending order, cut at multiples of 512: each piece is one
// running sum from zero (of fused multiply-adds, at a level that has them), and
// the pieces are added to C one after the other. This holds for whatever other
// rows and columns are computed, for packed operands and plain ones, and for
// any number of threads, since threads split outputs and never sums. So results
// are the same bit for bit for any GOMAXPROCS, a row of a batch does not depend
// on the batch, and every machine of a level computes the same bits.
package kernels
