package verify

import (
	"fmt"
	"slices"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/initial"
	"github.com/lowrank/lowrank/nn"
)

// calibrate gives the method what PEFT's was given to start from: the recorded
// gradient of the weight, and the moments of the recorded inputs. What else is
// recorded of PEFT's way there is not compared.
func (s *start) calibrate() error {
	if !s.tensors.has("calib.x") {
		return nil
	}
	x, err := s.tensors.take("calib.x")
	if err != nil {
		return err
	}
	if len(x.Shape) != 2 || x.Shape[0] == 0 || x.Shape[1] != s.lin.In {
		return s.tensors.wrong("calib.x", "is %v: must have rows of %d", x.Shape, s.lin.In)
	}
	s.moments, err = lora.CalibrateMoments(s.module, nil, 1, func(int) error {
		s.lin.Forward(&nn.Context{Tape: ag.NewTape()}, ag.NewVariable(x.Shape[0], x.Shape[1], x.Data))
		return nil
	})
	if err != nil {
		return err
	}
	s.opt.Moments = s.moments.Of
	if s.method.Needs(adapter.FullGradient) {
		grad, err := s.tensors.shaped("calib.grad_W", []int{s.lin.Out, s.lin.In})
		if err != nil {
			return err
		}
		s.opt.Gradient = func(*adapter.Map) []float32 { return grad }
	}
	for _, name := range []string{"calib.target", "calib.U_WC", "calib.S_WC", "calib.V_WC"} {
		delete(s.tensors[0].left, name)
	}
	return nil
}

// components compares a start whose rows of A and columns of B are vectors of a
// decomposition, each known up to its sign. PEFT decomposes in float32.
func (s *start) components() {
	m := s.set.Maps[0]
	a, b, err := s.factors()
	if err != nil {
		s.fail("init", err)
		return
	}
	nameA, wantA, okA := s.value(a)
	nameB, wantB, okB := s.value(b)
	if !okA || !okB {
		return
	}
	blur := 1e-4
	if g, ok := s.method.Initial.(initial.Gradient); ok && g.Scale == initial.Weights {
		blur = 2e-3 // PEFT takes the size of the weight from a randomized decomposition
	}
	gotA, gotB := slices.Clone(a.Floats()), slices.Clone(b.Floats())
	for k := range m.Rank {
		alignStrided(gotA[k*m.In:(k+1)*m.In], wantA[k*m.In:(k+1)*m.In], 1)
		alignStrided(gotB[k:], wantB[k:], m.Rank)
	}
	s.rows.near(nameA, gotA, wantA, Tolerance{Abs: blur * largest(wantA), Rel: blur})
	s.rows.near(nameB, gotB, wantB, Tolerance{Abs: blur * largest(wantB), Rel: blur})
	if start, _ := m.Start(); start != nil { // the base is what the recorded ones leave of it
		m.OffsetBy(ag.NewVariable(m.Rank, m.In, wantA), ag.NewVariable(m.Out, m.Rank, wantB))
	}
	s.tensors.near(s.rows, "init."+layerName+".base_layer.weight", s.stored(m.Base.Floats()), s.w, Values)
}

// alignStrided gives every stride-th value of x the sign that agrees with want.
func alignStrided(x, want []float32, stride int) {
	var dot float64
	for i := 0; i < len(x); i += stride {
		dot += float64(x[i]) * float64(want[i])
	}
	for i := 0; i < len(x) && dot < 0; i += stride {
		x[i] = -x[i]
	}
}

// principal compares the components of the inputs by the variance that they
// keep: PEFT, which decomposes at random and cuts off after every batch, keeps
// a little less than the most.
func (s *start) principal() {
	const least = 0.95
	m := s.set.Maps[0]
	a, b, err := s.factors()
	if err != nil {
		s.fail("init", err)
		return
	}
	nameA, wantA, okA := s.value(a)
	nameB, wantB, okB := s.value(b)
	x := s.moments.Of(m)
	if !okA || !okB || x == nil {
		return
	}
	row := Row{Name: nameA, Status: Pass, Count: len(wantA), Tolerance: fmt.Sprintf("variance kept, %g..1", least)}
	ratio := kept(x, wantA, m.In) / kept(x, a.Floats(), m.In)
	if row.MaxRel = 1 - ratio; !(ratio >= least && ratio <= 1+1e-6) {
		row.Status, row.Note = Fail, fmt.Sprintf("it keeps %.4f of the variance that is kept here", ratio)
	}
	s.add(row)
	s.rows.near(nameB, b.Floats(), wantB, Tolerance{})
	s.tensors.near(s.rows, "init."+layerName+".base_layer.weight", s.stored(m.Base.Floats()), s.w, Tolerance{})
}

// kept returns the trace of A·C·Aᵀ, where C is the covariance.
func kept(x *adapter.Moments, a []float32, in int) (sum float64) {
	for ; len(a) > 0; a = a[in:] {
		for i := range in {
			for j := range in {
				sum += float64(a[i]) * float64(a[j]) * (x.Second[i*in+j] - x.Mean[i]*x.Mean[j])
			}
		}
	}
	return sum
}
