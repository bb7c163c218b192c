// Package bench measures: kernels against the machine's own peak and against
// pure-Go peers, training steps, and memory. Run it as
//
//	go test -bench . ./bench/...
//
// Names have the form that benchstat reads, and metrics beside ns/op:
// GFLOP/s, %peak (of the FMA peak of one core times the threads, measured in
// the same run), tokens/s, B/op and allocs/op.
package bench
