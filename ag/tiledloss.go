package ag

import "github.com/lowrank/lowrank/kernels"

// A tiledLoss is the cross entropy of logits that a frozen map makes, some rows at
// a time: neither they nor their gradient are ever whole, which in a language
// model are the largest matrices there are (arXiv 2410.10989, section 3.2, has
// tiles in that place). Each row has the bits that it has in the whole.
type tiledLoss struct {
	p     *FrozenLinear
	rows  int       // of a tile
	dx    []float32 // M×in, of the last Forward, if there has been a Backward
	ready bool
}

const (
	tileBytes = 4 << 20 // of logits
	tileRows  = 128     // at least: a streamed weight is decoded once for each tile
)

// newTiledLoss returns the loss of z by tiles, or nil if z is not what a frozen
// map has made or has no more rows than a tile.
func newTiledLoss(z Tensor) *tiledLoss {
	v, ok := z.Value().(*Variable)
	if !ok || v.product == nil || v.lent > 0 || v.product.bias.trained() {
		return nil
	}
	t := &tiledLoss{p: v.product, rows: max(tileRows, tileBytes/(4*max(v.cols, 1)))}
	if t.rows >= v.rows {
		return nil
	}
	t.p.postpone()
	return t
}

// tile has each tile of logits made and calls f with it; it may be overwritten.
func (t *tiledLoss) tile(f func(from, rows int, z []float32)) {
	w, x := t.p.w, Floats(t.p.x)
	z := borrow(t.rows * w.Out)
	defer vectors.put(z)
	for from := 0; from < t.p.m; from += t.rows {
		rows := min(t.rows, t.p.m-from)
		t.p.forward(rows, x[from*w.In:][:rows*w.In], (*z)[:rows*w.Out])
		f(from, rows, *z)
	}
}

// forward writes the losses and, once there has been a Backward, the gradient of
// the input on which each row's loss counts s times.
func (t *tiledLoss) forward(f *CrossEntropy, s float32) {
	if t.ready = t.dx != nil; t.ready {
		t.gradient(f, s)
		return
	}
	t.tile(func(from, rows int, z []float32) {
		kernels.CrossEntropy(rows, f.v, z, f.v, f.targets[from:], f.losses[from:], nil, 0)
	})
}

// gradient writes the losses and dx.
func (t *tiledLoss) gradient(f *CrossEntropy, s float32) {
	w := t.p.w
	t.tile(func(from, rows int, z []float32) {
		kernels.CrossEntropy(rows, f.v, z, f.v, f.targets[from:], f.losses[from:], z, f.v)
		kernels.Scale(s, z[:rows*f.v])
		w.backward(false, rows, z, 0, nil, nil, t.dx[from*w.In:])
	})
}

// backward adds g times dx to the gradient of the map's input.
func (t *tiledLoss) backward(f *CrossEntropy, s, g float32) {
	if t.dx == nil {
		t.dx = t.p.y.floats(t.p.m * t.p.w.In)
	}
	if !t.ready {
		t.gradient(f, s)
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
