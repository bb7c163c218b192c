package verify

import (
	"fmt"
	"slices"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
)

// A net is a model without tokens: maps that adapters can be injected into.
type net struct {
	nn.Body
	forward func(c *nn.Context) ag.Tensor
}

func (n *net) Forward(c *nn.Context) ag.Tensor { return n.forward(c) }

func (*net) Check(*nn.Context) error { return nil }

func (*net) Task() nn.Task { return nn.Features }

func (*net) Clone() nn.Model { panic("verify: a net is not cloned") }

// layerName is the name that the recorded module has in its model.
const layerName = "lin"

// A module is the net of one recorded map, with its inputs, and with the layout
// in which its outputs and its weight are recorded.
type module struct {
	net
	lin *nn.Linear
	x   *ag.Variable // a row a sample; nil where the inputs are ids
	in  []int        // shape of the recorded inputs
	out []int        // shape of the recorded outputs
	w   []int        // shape of the recorded weight
}

// openModule builds the map whose weight and bias are recorded under the first
// of these names that there is, on the inputs x.
func (rec *recording) openModule(t tensors, weights, biases []string) (*module, error) {
	dims, known := map[string]int{"": 2, "linear": 2, "conv1d": 2, "embedding": 2, "conv2d": 4}[rec.Kind]
	if !known {
		return nil, nn.Unsupported(fmt.Errorf("kind is %q: not supported", rec.Kind))
	}
	weight, bias := t.first(weights...), t.first(biases...)
	w, err := t.take(weight)
	if err != nil {
		return nil, err
	}
	b := nn.NewBuilder(nn.Floats(func(name string, shape ...int) ([]float32, error) {
		if name == layerName+".bias" {
			return t.shaped(bias, shape)
		}
		if !slices.Equal(w.Shape, shape) {
			return nil, t.wrong(weight, "is %v: must be %v", w.Shape, shape)
		}
		return w.Data, nil
	}))
	m := &module{w: w.Shape}
	if slices.Contains(w.Shape, 0) || len(w.Shape) != dims {
		return nil, t.wrong(weight, "is %v: must have %d dimensions, none of them 0", w.Shape, dims)
	}
	switch n, k := w.Shape[0], w.Shape[1]; rec.Kind {
	case "conv1d":
		m.lin = b.Transposed(layerName, k, n)
		err = m.dense(t)
	case "embedding":
		table := b.Embedding(layerName, n, k)
		m.lin = table.Linear
		err = m.lookup(t, table)
	case "conv2d":
		var window ag.Window
		if window, err = rec.windowOn(t, w.Shape); err == nil {
			conv := b.Conv2D(layerName, n, window, t.has(bias))
			m.lin = conv.Linear
			err = m.convolve(t, conv)
		}
	default:
		m.lin = b.Linear(layerName, n, k, t.has(bias))
		err = m.dense(t)
	}
	if err != nil {
		return nil, err
	}
	m.Body, err = b.Body()
	return m, err
}

// dense has the map take features.
func (m *module) dense(t tensors) error {
	x, err := t.take("x")
	if err != nil {
		return err
	}
	rank := len(x.Shape)
	if rank == 0 || x.Shape[rank-1] != m.lin.In {
		return t.wrong("x", "is %v: must have rows of %d", x.Shape, m.lin.In)
	}
	m.in, m.out = x.Shape, append(slices.Clone(x.Shape[:rank-1]), m.lin.Out)
	m.x = ag.NewVariable(len(x.Data)/m.lin.In, m.lin.In, x.Data)
	m.forward = func(c *nn.Context) ag.Tensor { return m.lin.Forward(c, m.x) }
	return nil
}

// lookup has the map take ids.
func (m *module) lookup(t tensors, table *nn.Embedding) error {
	f := t.of("x")
	delete(f.left, "x")
	x, err := f.Ints("x")
	if err != nil {
		return err
	}
	ids := make([]int32, len(x))
	for i, id := range x {
		if id < 0 || id >= int64(table.In) {
			return t.wrong("x", "has the id %d at %d: must lie in [0, %d)", id, i, table.In)
		}
		ids[i] = int32(id)
	}
	m.in, _ = f.Shape("x")
	m.out = append(slices.Clone(m.in), table.Out)
	m.forward = func(c *nn.Context) ag.Tensor { return table.Forward(c, ids) }
	return nil
}

// convolve has the map take images, and give images of as many channels as it
// has rows.
func (m *module) convolve(t tensors, conv *nn.Conv2D) error {
	x, err := t.take("x")
	if err != nil {
		return err
	}
	batch, w := x.Shape[0], conv.Window
	m.in, m.out = x.Shape, []int{batch, conv.Out, w.OutHeight(), w.OutWidth()}
	m.x = ag.NewVariable(batch, w.In(), x.Data)
	m.forward = func(c *nn.Context) ag.Tensor {
		return c.Run(ag.NewChannelsFirst(conv.Forward(c, m.x), batch, w.OutHeight()*w.OutWidth()))
	}
	return nil
}

// windowOn returns the geometry of the convolution on the recorded images.
func (rec *recording) windowOn(t tensors, weight []int) (ag.Window, error) {
	x, err := t.take("x")
	if err != nil {
		return ag.Window{}, err
	}
	if len(x.Shape) != 4 {
		return ag.Window{}, t.wrong("x", "is %v: must be images, [batch, channels, height, width]", x.Shape)
	}
	return rec.window(weight, x.Shape)
}

// stored returns a matrix of the weight's size, out×in, in the layout in which
// the module's weight is recorded.
func (m *module) stored(w []float32) []float32 {
	if m.lin.Kind != nn.Table && !m.lin.FanInFanOut {
		return w
	}
	t := make([]float32, len(w))
	for i := range m.lin.Out {
		for j := range m.lin.In {
			t[j*m.lin.Out+i] = w[i*m.lin.In+j]
		}
	}
	return t
}
