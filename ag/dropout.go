package ag

import "github.com/lowrank/lowrank/kernels"

// A Noise is what dropouts draw from. What is dropped is a function of the seed,
// the draw and the dropout's place among those of the noise, so nothing is kept for
// gradients, and a graph that is replayed in the same draw drops the same again.
type Noise struct {
	Seed uint64
	Draw uint32 // which pass it is; whoever replays a graph sets it before
	On   bool   // nothing is dropped otherwise, as in an evaluation

	places uint32
}

// Make turns the noise on for a draw. Of no noise it does nothing.
func (n *Noise) Make(draw uint32) {
	if n != nil {
		n.Draw, n.On = draw, true
	}
}

// Rest turns the noise off.
func (n *Noise) Rest() {
	if n != nil {
		n.On = false
	}
}

// Restart makes the dropouts that are made from now on have the places of the first
// ones: the graph to come is another form of that which has those.
func (n *Noise) Restart() {
	if n != nil {
		n.places = 0
	}
}

// A dropping is one dropout of entries with probability p; nil: none.
type dropping struct {
	p     float64
	noise *Noise
	place uint32
}

// newDropping returns the next place of the noise.
func newDropping(op string, p float64, noise *Noise) *dropping {
	if !(p >= 0 && p < 1) {
		fail(op, "dropout is %v: must be in [0, 1)", p)
	}
	noise.places++
	return &dropping{p, noise, noise.places}
}

// on reports whether anything is dropped at present.
func (d *dropping) on() bool { return d != nil && d.noise.On && d.p > 0 }

func (d *dropping) counter() uint64 { return uint64(d.noise.Draw)<<32 | uint64(d.place) }

// of returns x with entries dropped and the others times 1/(1-p) (arXiv 1207.0580),
// in memory that is to be put back.
func (d *dropping) of(x []float32) *[]float32 {
	spare := borrow(len(x))
	kernels.Dropout(*spare, x, d.p, d.noise.Seed, d.counter())
	return spare
}

// addGrad adds to dx the gradient dy of what came out of x.
func (d *dropping) addGrad(dx, dy []float32) {
	kernels.DropoutGrad(dx, dy, d.p, d.noise.Seed, d.counter(), true)
}
