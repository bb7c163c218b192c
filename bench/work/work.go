// Package work is the work that the kernels are measured at: a shape, its
// operands, what it costs, and our way to do it. The benchmarks and the
// comparison with the peers take it from here, so that both measure the same.
package work

import "github.com/lowrank/lowrank/bench/peers"

// A Work is one piece of work, ready to run at the level that was active when
// it was made.
type Work struct {
	Job     peers.Job   // the same work for a peer
	Flops   float64     // floating-point operations of a run, two a multiply-add
	Bytes   float64     // that a run must read and write at least
	Set     float64     // bytes of all operands
	Outputs [][]float32 // in the order of the operands' names
	Run     func()
}

// Result returns the outputs of one run that began with zeros in them, one
// after the other.
func (w *Work) Result() []float32 {
	var all []float32
	for _, x := range w.Outputs {
		clear(x)
	}
	w.Run()
	for _, x := range w.Outputs {
		all = append(all, x...)
	}
	return all
}

// operand returns n values of a name.
func operand(name peers.Operand, n int) []float32 { return peers.Fill(name, make([]float32, n)) }
