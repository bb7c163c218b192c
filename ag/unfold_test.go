package ag_test

import (
	"math"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/ag/agtest"
)

// Windows that touch, overlap and leave gaps, with more padding than an image.
var windows = []ag.Window{
	{1, 1, 1, 1, 1, 1, 1, 0, 0},
	{3, 4, 6, 2, 3, 2, 3, 0, 0},
	{2, 5, 4, 3, 3, 1, 2, 1, 1},
	{2, 5, 7, 2, 1, 3, 4, 0, 2},
	{1, 2, 1, 3, 2, 1, 1, 2, 3},
}

// Unfold, a product and ChannelsFirst are a convolution.
func TestConvolution(t *testing.T) {
	const batch, out = 2, 3
	for _, w := range windows {
		x, weight := agtest.Random(batch, w.In(), 1), agtest.Random(out, w.Size(), 2)
		oh, ow := w.OutHeight(), w.OutWidth()
		tape := ag.NewTape()
		y := tape.Run(ag.NewChannelsFirst(tape.Run(ag.NewLinear(tape.Run(ag.NewUnfold(x, w)), weight)), batch, oh*ow))
		X, W := wide(x), wide(weight)
		image := func(b, c, i, j int) float64 {
			if i < 0 || i >= w.Height || j < 0 || j >= w.Width {
				return 0
			}
			return X.at(b, (c*w.Height+i)*w.Width+j)
		}
		want := newMatrix(batch, out*oh*ow, func(b, e int) float64 {
			o, i, j := e/(oh*ow), e/ow%oh, e%ow
			return sum(w.Size(), func(k int) float64 {
				c, u, v := k/(w.KernelHeight*w.KernelWidth), k/w.KernelWidth%w.KernelHeight, k%w.KernelWidth
				return W.at(o, k) * image(b, c, i*w.StrideHeight-w.PadHeight+u, j*w.StrideWidth-w.PadWidth+v)
			})
		})
		if rows, cols := ag.Dims(y); rows != want.rows || cols != want.cols {
			t.Fatalf("%v: y is %d×%d, want %d×%d", w, rows, cols, want.rows, want.cols)
		}
		for e, v := range ag.Floats(y) {
			// Sums of up to 18 products of values below 4.
			if math.Abs(float64(v)-want.x[e]) > 1e-5 {
				t.Errorf("%v: entry %d is %g, want %g", w, e, v, want.x[e])
				break
			}
		}
	}
}
