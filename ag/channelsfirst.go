package ag

// ChannelsFirst transposes each image of a batch from a row a position to a row
// a channel, the layout of a convolution's output:
//
//	y_{b, cP+p} = x_{bP+p, c}
//
// for P positions. The gradient is transposed back.
type ChannelsFirst struct {
	x                          Tensor
	batch, positions, channels int
	output
}

// NewChannelsFirst returns the operator for x (batch·positions)×channels; y is
// batch×(channels·positions).
func NewChannelsFirst(x Tensor, batch, positions int) *ChannelsFirst {
	m, n := Dims(x)
	if batch < 0 || positions < 0 || m != batch*positions {
		fail("ChannelsFirst", "x is %d×%d, %d images of %d positions: x must have %d rows", m, n, batch, positions, batch*positions)
	}
	return &ChannelsFirst{x: x, batch: batch, positions: positions, channels: n, output: newOutput(batch, n*positions)}
}

func (f *ChannelsFirst) Operands() []Tensor { return []Tensor{f.x} }

func (f *ChannelsFirst) Forward() (Tensor, error) {
	x, size := Floats(f.x), f.positions*f.channels
	for b := range f.batch {
		x, y := x[b*size:][:size], f.y.row(b)
		for c := range f.channels {
			for p := range f.positions {
				y[c*f.positions+p] = x[p*f.channels+c]
			}
		}
	}
	return f.y, nil
}

func (f *ChannelsFirst) Backward(gy Tensor) error {
	if !f.x.RequiresGrad() {
		return nil
	}
	dy, size := Floats(gy), f.positions*f.channels
	Accumulate(f.x, func(dx []float32, acc bool) {
		if !acc {
			clear(dx)
		}
		for b := range f.batch {
			dx, dy := dx[b*size:][:size], dy[b*size:][:size]
			for p := range f.positions {
				for c := range f.channels {
					dx[p*f.channels+c] += dy[c*f.positions+p]
				}
			}
		}
	})
	return nil
}
