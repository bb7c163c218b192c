package ag

import "github.com/lowrank/lowrank/kernels"

// A tiledLoss is the cross entropy of logits that a frozen map makes, some rows at
// a time: neither they nor their gradient are ever whole, which in a language
// model are the largest matrices there are (arXiv 2410.10989, section 3.2, has
// tiles in that place). Rows whose target is ignored are left out, prompts and
// padding for instance, and in masked language models five of six tokens. Each row
// has the bits that it has in the whole.
type tiledLoss struct {
	p     *FrozenLinear
	dx    []float32 // M×in, of the last Forward, if there has been a Backward
	ready bool

	// Of a tile: which rows it has, of those that count, their targets and losses.
	at      []int
	targets []int32
	losses  []float32
}

const (
	tileBytes = 4 << 20 // of logits
	tileRows  = 128     // at least: a streamed weight is decoded once for each tile
)

// newTiledLoss returns the loss of z by tiles, or nil if z is not what a frozen
// map has made or has no more columns than that map's input, of which a gradient
// is kept in its place.
func newTiledLoss(z Tensor) *tiledLoss {
	v, ok := z.Value().(*Variable)
	if !ok || v.product == nil || v.lent > 0 || v.product.bias.trained() || v.cols <= v.product.w.In {
		return nil
	}
	rows := min(v.rows, max(tileRows, tileBytes/(4*v.cols)))
	t := &tiledLoss{p: v.product, at: make([]int, rows), targets: make([]int32, rows), losses: make([]float32, rows)}
	t.p.Postpone()
	return t
}

// forward writes the losses and, once there has been a Backward, the gradient of
// the input on which each row's loss counts s times.
func (t *tiledLoss) forward(f *CrossEntropy, s float32) {
	t.ready = t.dx != nil
	t.run(f, s, t.ready)
}

// run writes the losses and, if it is wanted, dx, of tiles that have as many rows each.
func (t *tiledLoss) run(f *CrossEntropy, s float32, gradient bool) {
	w := t.p.w
	clear(f.losses)
	if gradient {
		clear(t.dx)
	}
	count := counted(f.targets)
	tiles := (count + len(t.at) - 1) / len(t.at)
	x, z := borrow(len(t.at)*w.In), borrow(len(t.at)*w.Out)
	defer vectors.put(x)
	defer vectors.put(z)
	row := 0
	for i := range tiles {
		n := (i+1)*count/tiles - i*count/tiles
		row = t.gather(f, row, n, *x)
		t.tile(f, s, n, *x, *z, gradient)
	}
}

// gather finds the next n rows that count, from row on, and copies them to x. It
// returns the row behind them.
func (t *tiledLoss) gather(f *CrossEntropy, row, n int, x []float32) int {
	from, in := Floats(t.p.x), t.p.w.In
	for i := 0; i < n; row++ {
		if f.targets[row] >= 0 {
			t.at[i], t.targets[i] = row, f.targets[row]
			copy(x[i*in:][:in], from[row*in:])
			i++
		}
	}
	return row
}

// tile writes the losses of n rows and, if it is wanted, dx; it overwrites x with it,
// and z with the logits and their gradient.
func (t *tiledLoss) tile(f *CrossEntropy, s float32, n int, x, z []float32, gradient bool) {
	var dz []float32
	if gradient {
		dz = z
	}
	t.p.forward(n, x, z[:n*f.v])
	kernels.CrossEntropy(n, f.v, z, f.v, t.targets, t.losses, dz, f.v)
	for i, row := range t.at[:n] {
		f.losses[row] = t.losses[i]
	}
	if !gradient {
		return
	}
	kernels.Scale(s, z[:n*f.v])
	w := t.p.w
	w.backward(false, n, z, 0, nil, nil, x)
	for i, row := range t.at[:n] {
		copy(t.dx[row*w.In:][:w.In], x[i*w.In:])
	}
}

// backward adds g times dx to the gradient of the map's input.
func (t *tiledLoss) backward(f *CrossEntropy, s, g float32) {
	if t.dx == nil {
		t.dx = t.p.y.floats(t.p.m * t.p.w.In)
	}
	if !t.ready {
		t.run(f, s, true)
		t.ready = true
	}
	Accumulate(t.p.x, func(dx []float32, acc bool) {
		switch {
		case acc:
			kernels.Axpy(g, t.dx, dx)
		default:
			copy(dx, t.dx)
			if g != 1 {
				kernels.Scale(g, dx)
			}
		}
	})
}
