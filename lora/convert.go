package lora

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/lora/initial"
	"github.com/lowrank/lowrank/nn"
)

// A Conversion is what became of one map. Of a map that did not change its
// weight everything is kept.
type Conversion struct {
	Map      string
	Out, In  int
	Rank     int
	Energy   float64 // kept: Σσ² of what is kept over Σσ² of ΔW
	Residual float64 // ‖ΔW − B·A‖/‖ΔW‖ in the Frobenius norm, with B and A in float32
}

// ErrNoRank is the error of a conversion without a rank of what is not of low
// rank.
var ErrNoRank = errors.New("the change of its weight is not of low rank: a rank or an energy is needed")

// Convert returns plain LoRA in the place of adapters of another kind: for each
// map, of its ΔW = W' − W0, W0 being the base as it stands, the singular
// triplets of the smallest rank that keeps the part energy of Σσ² (0: all of
// it), and of no more than rank (0: any number). What a map changes by a product
// of factors stays exactly that where nothing is left out, but for rounding: so
// a start that was taken out of the base becomes its double rank,
//
//	s·(B·A − B0·A0) = [B, −B0]·[A; A0]·s
//
// and what was folded into the base is behind it likewise.
//
// Any other change is a full matrix, with an exact decomposition up to 512 rows
// and columns, a randomized one (arXiv 0909.4061) beyond; then the energy is a
// lower bound, and the residual tells how far it is off.
//
// Biases and other tensors that are trained whole are carried over. Adapters
// with a router have no ΔW, and are refused. The set may be attached; the
// result is not, as that of [Combine].
func Convert(set *Set, rank int, energy float64) (*Set, []Conversion, error) {
	switch {
	case rank < 0:
		return nil, nil, fmt.Errorf("lora: convert: rank is %d: must not be negative", rank)
	case !(energy >= 0 && energy <= 1):
		return nil, nil, fmt.Errorf("lora: convert: energy is %v: must be in 0..1", energy)
	case set.Method.Router != nil:
		return nil, nil, fmt.Errorf("lora: convert: %s weighs its experts for every token: there is no one change of the weight", set.Method.say(routerSlot))
	case set.merged != nil:
		return nil, nil, errMerged
	}
	var plain delta.LoRA
	var list []Conversion
	factors, state := map[string]product{}, State{}
	for _, m := range set.Maps {
		form, err := m.Freestanding()
		if err != nil {
			return nil, nil, fmt.Errorf("lora: convert: %s: %w", m.Name, err)
		}
		if form.Shift != nil {
			plain.Bias = true
			shift := make([]float32, m.Out)
			for i, x := range ag.Floats(form.Shift) {
				shift[i] = m.Scaling * x
			}
			state[m.Name+".shift"] = shift
		}
		p, c, err := convert(m, form, rank, energy)
		if err != nil {
			return nil, nil, fmt.Errorf("lora: convert: %s: %w", m.Name, err)
		}
		c.Map, c.Out, c.In, c.Rank = m.Name, m.Out, m.In, p.rank()
		factors[m.Name], list = p, append(list, c)
	}
	opt := Options{Save: set.Options.Save, Bias: set.Options.Bias}
	s, err := detached([]*Set{set}, plain, opt, factors, state)
	if err != nil {
		return nil, nil, fmt.Errorf("lora: convert: %w", err)
	}
	return s, list, nil
}

// convert returns the factors of one map, as float32 holds them.
func convert(m *adapter.Map, form adapter.Form, rank int, energy float64) (product, Conversion, error) {
	if form.LowRank() && form.Gain == nil && m.Replaced().Len() == 0 {
		whole, err := change(m, form)
		if err != nil {
			return product{}, Conversion{}, err
		}
		return whole.convert(rank, energy)
	}
	if rank == 0 && energy == 0 {
		return product{}, Conversion{}, ErrNoRank
	}
	w, err := m.Merged()
	if err != nil {
		return product{}, Conversion{}, err
	}
	for i, x := range m.W0() {
		w[i] -= x
	}
	return full{m.Out, m.In, w}.convert(rank, energy)
}

// change returns ΔW of a map that adds a product to the base, without the
// components that add nothing (those that AdaLoRA has pruned).
func change(m *adapter.Map, form adapter.Form) (product, error) {
	p, err := productOf(form.A, form.B)
	if err != nil {
		return p, err
	}
	p.b.Scale(1+float64(m.Followed()), p.b)
	for _, h := range m.Held() {
		q, err := productOf(h.A, h.B)
		if err != nil {
			return p, err
		}
		p = stacked(p, q)
	}
	p.b.Scale(float64(m.Scaling), p.b)
	return p.nonzero(), nil
}

// convert keeps of a product what is asked for.
func (p product) convert(rank int, energy float64) (product, Conversion, error) {
	out, in := p.dims()
	kept, c := p, Conversion{Energy: 1}
	if most := min(out, in); energy > 0 || p.rank() > most || rank > 0 && p.rank() > rank {
		d, err := p.decompose()
		if err != nil {
			return kept, c, err
		}
		if rank == 0 {
			rank = most
		}
		var r int
		r, c.Energy = enough(d.S[:min(rank, len(d.S))], sumSquares(d.S), energy)
		kept = leading(d, r)
	} else {
		kept = stacked(p) // a copy: the product is compared with what it becomes
	}
	if err := kept.round(); err != nil {
		return kept, c, err
	}
	if mat.Equal(kept.a, p.a) && mat.Equal(kept.b, p.b) {
		return kept, c, nil
	}
	if norm := p.norm(); norm > 0 {
		minus := product{new(mat.Dense), kept.a}
		minus.b.Scale(-1, kept.b)
		c.Residual = stacked(p, minus).norm() / norm
	}
	return kept, c, nil
}

// nonzero returns the product without the components of which a factor is
// zero; one stays where all are.
func (p product) nonzero() product {
	out, in := p.dims()
	var live []int
	for k := range p.rank() {
		if mat.Norm(p.a.RowView(k), math.Inf(1)) > 0 && mat.Norm(p.b.ColView(k), math.Inf(1)) > 0 {
			live = append(live, k)
		}
	}
	if len(live) == p.rank() {
		return p
	}
	q := product{mat.NewDense(out, max(len(live), 1), nil), mat.NewDense(max(len(live), 1), in, nil)}
	for i, k := range live {
		q.a.SetRow(i, p.a.RawRowView(k))
		q.b.SetCol(i, mat.Col(nil, k, p.b))
	}
	return q
}

// enough returns the smallest number of the singular values s, from 1, that
// keeps the part energy of total (0: all that are more than rounding), and the
// part that it does keep. All are taken where they do not suffice.
func enough(s []float64, total, energy float64) (rank int, kept float64) {
	if total == 0 {
		return 1, 1
	}
	const rounding = 1e-14 // of float64, in some hundred sums
	sum := 0.0
	for k, v := range s {
		if energy > 0 && sum >= energy*total || energy == 0 && v <= rounding*s[0] {
			break
		}
		sum, rank = sum+v*v, k+1
	}
	return max(rank, 1), min(sum/total, 1)
}

func sumSquares(s []float64) float64 {
	sum := 0.0
	for _, v := range s {
		sum += v * v
	}
	return sum
}

// A full is a matrix of any rank, out×in.
type full struct {
	out, in int
	w       []float32
}

// convert keeps of a matrix what is asked for.
func (f full) convert(rank int, energy float64) (product, Conversion, error) {
	total := 0.0
	for i, x := range f.w {
		if v := float64(x); math.IsNaN(v) || math.IsInf(v, 0) {
			return product{}, Conversion{}, fmt.Errorf("the change of the weight is %v at (%d, %d)", x, i/f.in, i%f.in)
		}
		total += float64(x) * float64(x)
	}
	if total == 0 {
		return product{mat.NewDense(f.out, 1, nil), mat.NewDense(1, f.in, nil)}, Conversion{Energy: 1}, nil
	}
	const exact, first = 512, 64
	most := min(f.out, f.in)
	if rank > 0 {
		most = min(rank, most)
	}
	large := max(f.out, f.in) > exact
	k := most
	if large && energy > 0 {
		k = min(first, most) // and more, while they do not suffice
	}
	for ; ; k = min(2*k, most) {
		p, err := f.leading(k, large && 2*k < min(f.out, f.in))
		if err != nil {
			return p, Conversion{}, err
		}
		s := make([]float64, k)
		for i := range s { // the factors share the singular values
			s[i] = mat.Norm(p.a.RowView(i), 2) * mat.Norm(p.b.ColView(i), 2)
		}
		r, kept := enough(s, total, energy)
		if k < most && kept < energy {
			continue
		}
		p = product{mat.DenseCopyOf(p.b.Slice(0, f.out, 0, r)), mat.DenseCopyOf(p.a.Slice(0, r, 0, f.in))}
		return p, Conversion{Energy: kept, Residual: f.without(p) / math.Sqrt(total)}, nil
	}
}

// leading returns the best approximation of rank k, as PiSSA starts from it
// (package initial), at a scaling of 1.
func (f full) leading(k int, randomized bool) (product, error) {
	l := nn.NewLinear("ΔW", f.out, f.in, f.w)
	m, err := adapter.New(l, 0, 1, delta.LoRA{}, nil, k, float64(k))
	if err != nil {
		return product{}, err
	}
	start := initial.SVD{}
	if randomized {
		start.Iterations = 8
	}
	in := adapter.Inputs{Rand: func(string) *rand.Rand { return rand.New(rand.NewPCG(0, 0)) }}
	if err := start.Init([]*adapter.Map{m}, in); err != nil {
		return product{}, err
	}
	return productOf(m.Factor("A"), m.Factor("B"))
}

// without returns the Frobenius norm of the matrix less the product, some rows
// at a time.
func (f full) without(p product) float64 {
	const block = 64
	sum := 0.0
	var rows mat.Dense
	for i := 0; i < f.out; i += block {
		n := min(block, f.out-i)
		rows.Reset()
		rows.Mul(p.b.Slice(i, i+n, 0, p.rank()), p.a)
		for j := range n {
			for c, v := range rows.RawRowView(j) {
				d := float64(f.w[(i+j)*f.in+c]) - v
				sum += d * d
			}
		}
	}
	return math.Sqrt(sum)
}
