// Package twolayer replays recorded training runs of a net of two adapted
// linear maps, lin2(tanh(lin1(x))) with the mean squared error, with gradients
// that are worked out by hand in float64: tests of update rules and rank
// schedules compare with PEFT's weights and losses by it, and depend on no
// operator.
package twolayer

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/optim"
	"github.com/lowrank/lowrank/nn/pretrained"
)

// A Net is the net with the data that it learns.
type Net struct {
	Maps [2]*adapter.Map
	// Orthogonality is the weight of the mean of ‖A·Aᵀ − I‖ and ‖Bᵀ·B − I‖.
	Orthogonality float64

	recorded  *pretrained.Safetensors
	x, target matrix
	bias      [2][]float32
}

// matrix is a rows×cols matrix.
type matrix struct {
	rows, cols int
	data       []float64
}

func zeros(rows, cols int) matrix { return matrix{rows, cols, make([]float64, rows*cols)} }

// Open reads the recording shared/fixtures/layers/<name>.safetensors and
// gives the net's maps adapters of delta d with the factors' recorded start
// values; suffix is what PEFT puts after lora_A. The test is skipped where
// there are no recordings.
func Open(t *testing.T, name, suffix string, d adapter.Delta, rank int, alpha float64) *Net {
	t.Helper()
	path := filepath.Join(root(t), "..", "shared", "fixtures", "layers", name+".safetensors")
	if _, err := os.Stat(path); err != nil {
		t.Skip("shared/fixtures is not here: " + err.Error())
	}
	s, err := pretrained.ReadSafetensors(path)
	if err != nil {
		t.Fatal(err)
	}
	n := &Net{recorded: s}
	n.x, n.target = n.matrix(t, "x"), n.matrix(t, "target")
	for i, lin := range []string{"lin1", "lin2"} {
		w := n.Recorded(t, "base."+lin+".weight")
		n.bias[i] = n.Recorded(t, "base."+lin+".bias").Data
		l := nn.NewLinear(lin, w.Shape[0], w.Shape[1], w.Data)
		m, err := adapter.New(l, i, 2, d, nil, rank, alpha)
		if err != nil {
			t.Fatal(err)
		}
		m.Maps = 2
		for _, f := range m.Factors {
			copy(f.Floats(), n.Recorded(t, "param."+lin+".lora_"+f.Name+suffix).Data)
		}
		n.Maps[i] = m
	}
	return n
}

// root finds the repository's root above the test's folder.
func root(t *testing.T) string {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for range 8 {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	t.Fatal("there is no go.work above the test's folder")
	return ""
}

// Recorded returns a tensor of the recording.
func (n *Net) Recorded(t *testing.T, name string) pretrained.Tensor {
	t.Helper()
	v, err := n.recorded.Tensor(name)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (n *Net) matrix(t *testing.T, name string) matrix {
	v := n.Recorded(t, name)
	m := zeros(v.Shape[0], v.Shape[1])
	for i, x := range v.Data {
		m.data[i] = float64(x)
	}
	return m
}

// Groups returns what an optimizer updates: all factors of each map.
func (n *Net) Groups() (groups []*optim.Group) {
	for _, m := range n.Maps {
		g := &optim.Group{Name: m.Name, Scaling: m.Scaling}
		for _, f := range m.Factors {
			g.Params = append(g.Params, &optim.Param{Name: m.Name + "." + f.Name, Role: f.Name, Value: f.Variable})
		}
		groups = append(groups, g)
	}
	return groups
}

// Backward sets the gradients of all trained factors and returns the mean
// squared error, without the penalty of orthogonality.
func (n *Net) Backward() float64 {
	h := n.linear(0, n.x)
	for i, v := range h.data {
		h.data[i] = math.Tanh(v)
	}
	y := n.linear(1, h)
	dy := zeros(y.rows, y.cols)
	var loss float64
	for i, v := range y.data {
		e := v - n.target.data[i]
		loss += e * e / float64(len(y.data))
		dy.data[i] = 2 * e / float64(len(y.data))
	}
	dh := n.backward(1, h, dy)
	for i, v := range h.data {
		dh.data[i] *= 1 - v*v
	}
	n.backward(0, n.x, dh)
	return loss
}

// weight returns W0 + s·B·diag(E)·A of map i.
func (n *Net) weight(i int) matrix {
	m := n.Maps[i]
	w := zeros(m.Out, m.In)
	a, b, e := m.Factor("A").Floats(), m.Factor("B").Floats(), n.diagonal(i)
	for o := range m.Out {
		for j := range m.In {
			sum := float64(m.W0()[o*m.In+j])
			for k := range m.Rank {
				sum += float64(m.Scaling) * float64(b[o*m.Rank+k]) * e[k] * float64(a[k*m.In+j])
			}
			w.data[o*m.In+j] = sum
		}
	}
	return w
}

// diagonal returns the factor E, or ones.
func (n *Net) diagonal(i int) []float64 {
	m := n.Maps[i]
	e := make([]float64, m.Rank)
	for k := range e {
		e[k] = 1
		if f := m.Factor("E"); f != nil {
			e[k] = float64(f.Floats()[k])
		}
	}
	return e
}

func (n *Net) linear(i int, x matrix) matrix {
	w := n.weight(i)
	y := zeros(x.rows, w.rows)
	for t := range x.rows {
		for o := range w.rows {
			sum := float64(n.bias[i][o])
			for j := range w.cols {
				sum += x.data[t*x.cols+j] * w.data[o*w.cols+j]
			}
			y.data[t*y.cols+o] = sum
		}
	}
	return y
}

// backward sets the gradients of map i's factors and returns that of x.
func (n *Net) backward(i int, x, dy matrix) matrix {
	m, w := n.Maps[i], n.weight(i)
	dx, g := zeros(x.rows, x.cols), zeros(w.rows, w.cols)
	for t := range x.rows {
		for o := range w.rows {
			d := dy.data[t*dy.cols+o]
			for j := range w.cols {
				dx.data[t*x.cols+j] += d * w.data[o*w.cols+j]
				g.data[o*w.cols+j] += d * x.data[t*x.cols+j]
			}
		}
	}
	s, e := float64(m.Scaling), n.diagonal(i)
	a, b := m.Factor("A").Floats(), m.Factor("B").Floats()
	ga, gb, ge := make([]float64, len(a)), make([]float64, len(b)), make([]float64, m.Rank)
	for o := range m.Out {
		for j := range m.In {
			d := s * g.data[o*m.In+j]
			for k := range m.Rank {
				av, bv := float64(a[k*m.In+j]), float64(b[o*m.Rank+k])
				ga[k*m.In+j] += d * bv * e[k]
				gb[o*m.Rank+k] += d * av * e[k]
				ge[k] += d * bv * av
			}
		}
	}
	n.orthogonality(a, m.Rank, m.In, m.In, 1, ga)
	n.orthogonality(b, m.Rank, m.Out, 1, m.Rank, gb)
	set(m.Factor("A"), ga)
	set(m.Factor("B"), gb)
	set(m.Factor("E"), ge)
	return dx
}

// orthogonality adds the gradient of the penalty on the r rows of x, each of
// dim values: value j of row k is x[k·row + j·col].
func (n *Net) orthogonality(x []float32, r, dim, row, col int, g []float64) {
	if n.Orthogonality == 0 {
		return
	}
	q := make([]float64, r*r) // Gram matrix − I
	var norm float64
	for k := range r {
		for l := range r {
			for j := range dim {
				q[k*r+l] += float64(x[k*row+j*col]) * float64(x[l*row+j*col])
			}
			if k == l {
				q[k*r+l]--
			}
			norm += q[k*r+l] * q[k*r+l]
		}
	}
	c := n.Orthogonality / float64(2*len(n.Maps)) * 2 / math.Sqrt(norm)
	for k := range r {
		for l := range r {
			for j := range dim {
				g[k*row+j*col] += c * q[k*r+l] * float64(x[l*row+j*col])
			}
		}
	}
}

func set(f *adapter.Factor, g []float64) {
	if f == nil || !f.Trained {
		return
	}
	f.ZeroGrad()
	ag.Accumulate(f.Variable, func(dst []float32, _ bool) {
		for i, v := range g {
			dst[i] = float32(v)
		}
	})
}

// Near fails the test where got is further than tolerance from the recorded
// tensor in any value.
func (n *Net) Near(t *testing.T, name string, got []float32, tolerance float64) {
	t.Helper()
	want := n.Recorded(t, name).Data
	var worst float64
	for i, v := range got {
		worst = max(worst, math.Abs(float64(v)-float64(want[i])))
	}
	if len(got) != len(want) || !(worst <= tolerance) {
		t.Errorf("%s: %d values, the furthest off by %.3g: want %d within %.3g", name, len(got), worst, len(want), tolerance)
	}
}
