// Package ag holds differentiable operators on spago's graph, a file each,
// and the tape that runs them.
//
// An operator is a spago [ag.AutoGradFunction]: Forward writes its output,
// Backward adds to the gradients of the operands that require one, Operands
// names them. Tensors are float32 matrices, row-major, batch first: a row is
// a token. The letters of the shapes are M rows (tokens), in and out (the
// width of a linear map), r (rank).
//
// A constructor NewX checks every shape and panics with a [*ShapeError], so
// that Forward and Backward cannot fail: spago ends the process on an error
// returned from either. Code that builds a graph from what a user gave wraps
// it in [Guard], which turns that panic into an error.
//
// A graph is built once for a batch shape and then run again: [Tape.Run]
// records an operator and runs it, [Tape.Replay] runs them all again in the
// order of their creation, [Tape.Backward] runs their backward functions in
// reverse. Outputs lie in the tape's [Workspace], in the blocks of a tape
// ([Tape.Block], [Tape.Checkpoint]) for whoever needs memory next once no
// gradient reads them; gradients come from there too and go back as soon as
// they have been used, so a step after the first allocates no buffer. Batches
// of several shapes have a tape each, in the same memory ([Tape.Instead]).
// Gradients are added in the fixed order of the tape: results are
// equal bit for bit from run to run and for any number of threads.
//
// The same operators run under spago's own Backward, where there are no
// blocks, and spago's under this tape.
//
// [ag.AutoGradFunction]: https://pkg.go.dev/github.com/nlpodyssey/spago/ag#AutoGradFunction
package ag
