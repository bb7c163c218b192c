// Package bench measures: kernels against the machine's own limits and against
// pure-Go peers, and training steps. Run it as
//
//	go test -bench . ./bench
//
// Names have the form that benchstat reads,
// LowRankForward/d=768/r=8/m=512/simd=avx2/threads=1, and metrics beside ns/op:
// GFLOP/s and %peak (of the FMA peak of one core times the threads, measured in
// the same run), GB/s and %copy (of the runtime's copy on a working set of the
// same size), tokens/s, B/op and allocs/op.
//
// What the work is, stands in work; what the machine can do, in machine. The
// comparison with oneDNN, OpenBLAS and PyTorch (peers) is a command of its own:
//
//	go run ./bench/cmd/compare kernels --quick
//
// and so is that of whole models with PyTorch, transformers and PEFT
// (reference), where results are what must agree:
//
//	go run ./bench/cmd/compare models
//
// Whole training steps are made in step and compared with the same peer in
// training, in time and memory:
//
//	go test -bench Step ./bench/...
//	go run ./bench/cmd/compare step
package bench
