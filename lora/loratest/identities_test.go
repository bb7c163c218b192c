package loratest

import (
	"fmt"
	"math"
	"reflect"
	"runtime"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/lora/initial"
	"github.com/lowrank/lowrank/lora/probe"
	"github.com/lowrank/lowrank/lora/rank"
	"github.com/lowrank/lowrank/lora/update"
)

// An identity holds for every row of the table but for those that are exempt. It
// is what papers prove, or what follows from the definition of a part.
type identity struct {
	name   string
	exempt []exemption
	holds  func(m lora.Method) error
}

// An exemption says of which rows an identity is not asked, and why.
type exemption struct {
	reason string
	of     func(m lora.Method) bool
}

var identities = []identity{
	{"T1 the function is preserved", []exemption{
		{"its initializer says that it starts away from the base", moved},
	}, preserved},
	{"T2 the start descends", []exemption{
		{"its start is the base's function", func(m lora.Method) bool { return !moved(m) }},
		{"its start is drawn, without data", func(m lora.Method) bool { return !m.Needs(adapter.FullGradient) }},
	}, descends},
	{"T3 gA·Aᵀ = Bᵀ·gB", []exemption{
		{"it has no pair that is trained", noPair},
		{"something stands between A and B", cored},
		{"one factor of the pair is frozen and has no gradient", freezes},
		{"gates weigh the rows of each expert", routed},
	}, agree},
	{"T4 a step stays in the space of what is frozen", []exemption{
		{"it freezes neither factor of a pair", func(m lora.Method) bool { return !freezes(m) }},
	}, oneSided},
	{"T5 the step is the same for every split of B·A, or is not", []exemption{
		{"it has no pair that is trained", noPair},
		{"something stands between A and B", cored},
		{"gates weigh the experts: there is no one weight", routed},
		{"it is invariant to first order only, as X is the closest", func(m lora.Method) bool {
			p, ok := m.Update.(update.LoRAPro)
			return ok && p.Form != update.FactoredAdam
		}},
	}, gauge},
	{"T6 metrics are those of the dense matrices", []exemption{
		{"its change is told from the rounded base on", func(m lora.Method) bool { return is(m.Initial, initial.Quantized{}) }},
		{"gates weigh the experts: there is no one weight", routed},
	}, measured},
	{"T7 convert and back", []exemption{
		{"gates weigh the experts: there is no one change of the weight", routed},
	}, converted},
	{"T9 the scale collapses", []exemption{
		{"it has no pair that is trained", noPair},
		{"its magnitude is trained at a rate of its own", func(m lora.Method) bool { return is(m.Delta, delta.DoRA{}) }},
		{"what stands between A and B, or its penalty, has a size of its own", cored},
		{"its scaling is fixed at 1", func(m lora.Method) bool { return is(m.Delta, delta.HiRA{}) }},
		{"gates weigh the experts: there is no one weight", routed},
		{"A is drawn anew on the way, at a size of its own", func(m lora.Method) bool {
			f, ok := m.Rank.(rank.Fold)
			return ok && f.Share == 1
		}},
		{"LoRA-Pro at the closest X: closeness has a size of its own", func(m lora.Method) bool { return is(m.Update, update.LoRAPro{}) }},
	}, collapses},
	{"T10 equal seeds, equal bits on any number of threads", nil, determined},
}

func is(part, kind any) bool          { return reflect.TypeOf(part) == reflect.TypeOf(kind) }
func moved(m lora.Method) bool        { return slices.Contains(m.Initial.Provides(), adapter.Moved) }
func routed(m lora.Method) bool       { return m.Router != nil }
func freezes(m lora.Method) bool      { return len(m.Update.Freezes()) > 0 }
func noPair(m lora.Method) bool       { return !slices.Contains(m.Delta.Provides(), adapter.TrainedPair) }
func small(steps int) shape           { return shape{out: 24, in: 17, rank: 4, alpha: 6, steps: steps, seed: 1} }
func errorf(f string, a ...any) error { return fmt.Errorf(f, a...) }

func TestIdentities(t *testing.T) {
	for _, id := range identities {
		t.Run(id.name, func(t *testing.T) {
			asked := 0
			for _, m := range lora.Methods() {
				if reason := id.reason(m); reason != "" {
					t.Logf("%s is not asked: %s", m.Name, reason)
					continue
				}
				asked++
				if err := id.holds(m); err != nil {
					t.Errorf("%s: %v", m.Name, err)
				}
			}
			if asked == 0 {
				t.Error("no row is asked")
			}
		})
	}
}

// cored reports whether a core stands between A and B.
func cored(m lora.Method) bool {
	return is(m.Delta, delta.SVD{}) || is(m.Delta, delta.KaSA{}) || is(m.Delta, delta.Core{})
}

// reason returns why a row is exempt, or "".
func (id identity) reason(m lora.Method) string {
	for _, e := range id.exempt {
		if e.of(m) {
			return e.reason
		}
	}
	return ""
}

func preserved(m lora.Method) error {
	r, err := small(8).regress(m, nil)
	if err != nil {
		return err
	}
	plain, loss, _ := small(8).build(unadapted(r))
	plain.Replay()
	have, want := ag.Floats(r.loss)[0], ag.Floats(loss)[0]
	if d := math.Abs(float64(have - want)); !(d <= 1e-5*float64(want)) { // float32 sums in another order
		return errorf("the loss at the start is %v, the base's %v", have, want)
	}
	return nil
}

// descends: <ΔW, G> is below zero at the start, and so the loss falls at first
// along ΔW.
func descends(m lora.Method) error {
	s := small(8)
	r, err := s.regress(m, nil)
	if err != nil {
		return err
	}
	w, err := r.weight()
	if err != nil {
		return err
	}
	base := unadapted(r).Linear
	w0 := slices.Clone(base.W.Floats())
	along := func(t float64) float64 {
		for i := range w0 {
			base.W.Floats()[i] = float32(float64(w0[i]) + t*(w.At(i/s.in, i%s.in)-float64(w0[i])))
		}
		base.Repack()
		_, loss, _ := s.build(one{base})
		return float64(ag.Floats(loss)[0])
	}
	if at, next := along(0), along(1e-2); !(next < at) {
		return errorf("a hundredth of the start takes the loss from %v to %v", at, next)
	}
	return nil
}

func agree(m lora.Method) error {
	r, err := small(8).regress(m, spread)
	if err != nil {
		return err
	}
	r.opt.ZeroGrad()
	r.tape.Replay()
	if err := r.tape.Backward(r.loss); err != nil {
		return err
	}
	a, b := r.set.Maps[0].Factor("A"), r.set.Maps[0].Factor("B")
	var left, right mat.Dense
	left.Mul(dense(a.Rows(), a.Cols(), a.GradFloats()), dense(a.Rows(), a.Cols(), a.Floats()).T())
	right.Mul(dense(b.Rows(), b.Cols(), b.Floats()).T(), dense(b.Rows(), b.Cols(), b.GradFloats()))
	if d := apart(&left, &right); !(d <= 1e-5) { // a float32 backward pass
		return errorf("they differ by %.3g", d)
	}
	return nil
}

// oneSided: with A frozen every change of the weight has rows in the space of A's,
// with B frozen columns in that of B's.
func oneSided(m lora.Method) error {
	s := small(5)
	var space *mat.Dense
	frozen := m.Update.Freezes()[0]
	d, err := s.walk(m, 0.05, func(m *adapter.Map) {
		f := m.Factor(frozen)
		x := dense(f.Rows(), f.Cols(), f.Floats())
		if frozen == "A" {
			x = mat.DenseCopyOf(x.T())
		}
		space = x
	})
	if err != nil {
		return err
	}
	if frozen == "A" {
		d = mat.DenseCopyOf(d.T())
	}
	var gram, inv, p, kept mat.Dense
	gram.Mul(space.T(), space)
	if err := inv.Inverse(&gram); err != nil {
		return err
	}
	p.Product(space, &inv, space.T())
	kept.Mul(&p, d)
	if off := apart(d, &kept); !(off <= 1e-5) || mat.Norm(d, 2) == 0 {
		return errorf("the change of %v leaves the space of %s by %.3g", mat.Norm(d, 2), frozen, off)
	}
	return nil
}

// invariant are the rules whose change of the weight does not depend on how B·A
// is split, their damping aside.
var invariant = []any{update.ScaledGD{}, update.AltLoRA{}, update.LoRARITE{}, update.LoFT{}, update.TangentMuon{}}

func gauge(m lora.Method) error {
	s := small(6)
	p := mat.NewDense(s.rank, s.rank, nil)
	for i, x := range normal(6, s.rank*s.rank, 0.3) {
		p.Set(i/s.rank, i%s.rank, float64(x))
	}
	for i := range s.rank {
		p.Set(i, i, p.At(i, i)+2)
	}
	var inv mat.Dense
	if err := inv.Inverse(p); err != nil {
		return err
	}
	lr := 0.02
	m.Initial = zeros{}
	plain, err := s.walk(m, lr, spread)
	if err != nil {
		return err
	}
	split, err := s.walk(m, lr, func(m *adapter.Map) {
		spread(m)
		multiply(m.Factor("B"), p, false)
		multiply(m.Factor("A"), &inv, true)
	})
	if err != nil {
		return err
	}
	want := slices.ContainsFunc(invariant, func(u any) bool { return is(m.Update, u) })
	// Float32 factors and moments over six steps, and dampings of 1e-6.
	if d := apart(plain, split); want && !(d < 1e-3) || !want && !(d > 0.01) {
		return errorf("the change of the weight differs by %.3g between two splits: invariant must be %t", d, want)
	}
	return nil
}

// measured compares with the singular values of the dense change, before the gain
// where there is one.
func measured(method lora.Method) error {
	for _, rank := range []int{1, 3, 8} {
		s := shape{out: 32, in: 24, rank: rank, alpha: float64(rank), steps: 6, seed: 1}
		r, err := s.regress(method, nil)
		if err != nil {
			return err
		}
		m := r.set.Maps[0]
		p := probe.New(r.set.Maps)
		p.Dense = true
		for step := range s.steps {
			if err := r.backward(); err != nil {
				return err
			}
			p.Before(step)
			if step > 0 { // first at the start itself
				r.taken++
				adapter.Step(r.plan, r.opt, r.taken, 0.02)
			}
			have := map[string]float64{}
			rows, err := p.After(step, probe.Tier0|probe.Tier1)
			if err != nil {
				return err
			}
			for _, row := range rows {
				if math.IsNaN(row.Value) {
					return errorf("rank %d: step %d: %s is NaN", rank, step, row.Name)
				}
				have[row.Name] = row.Value
			}
			want, err := spectrum(m)
			if err != nil {
				return err
			}
			for name, x := range want {
				// Ranks count what is no rounding of the float32 weights.
				if d := math.Abs(have[name] - x); !(d <= 2e-3*(1+x)) {
					return errorf("rank %d: step %d: %s is %v, want %v", rank, step, name, have[name], x)
				}
			}
		}
	}
	return nil
}

// spectrum returns the metrics of W' − W0 by a dense decomposition.
func spectrum(m *adapter.Map) (map[string]float64, error) {
	w, err := m.Merged()
	if err != nil {
		return nil, err
	}
	if f := m.Form(); f.LowRank() { // without the gain
		w = slices.Clone(m.Base.Floats())
		a, b := ag.Floats(f.A), ag.Floats(f.B)
		f, err := m.Freestanding()
		if err != nil {
			return nil, err
		}
		a, b = ag.Floats(f.A), ag.Floats(f.B)
		r, _ := ag.Dims(f.A)
		for i := range m.Out {
			for k := range r {
				for j := range m.In {
					w[i*m.In+j] += m.Scaling * b[i*r+k] * a[k*m.In+j]
				}
			}
		}
	}
	d := dense(m.Out, m.In, w)
	d.Sub(d, dense(m.Out, m.In, m.W0()))
	var svd mat.SVD
	if !svd.Factorize(d, mat.SVDNone) {
		return nil, errorf("no singular values")
	}
	want := map[string]float64{}
	sigma := svd.Values(nil)
	if sigma[0] < 1e-5 { // rounding of float32 weights around one
		return map[string]float64{"frobenius_norm": 0, "spectral_norm": 0}, nil
	}
	var one, two float64
	for _, x := range sigma {
		one += x
		two += x * x
	}
	want["frobenius_norm"], want["spectral_norm"], want["nuclear_norm"] = math.Sqrt(two), sigma[0], one
	want["stable_rank"] = two / sigma[0] / sigma[0]
	return want, nil
}

func converted(m lora.Method) error {
	s := small(6)
	r, err := s.regress(m, nil)
	if err != nil {
		return err
	}
	for range s.steps {
		if err := r.step(0.02); err != nil {
			return err
		}
	}
	want, err := r.weight()
	if err != nil {
		return err
	}
	plain, _, err := lora.Convert(r.set, 0, 0)
	if err != nil {
		if plain, _, err = lora.Convert(r.set, s.in, 0); err != nil {
			return err
		}
	}
	r.set.Remove()
	if err := plain.Attach(); err != nil {
		return err
	}
	w, err := plain.Maps[0].Merged()
	if err != nil {
		return err
	}
	if d := apart(want, dense(s.out, s.in, w)); !(d <= 1e-6) { // float32 factors
		return errorf("the converted weight is off by %.3g", d)
	}
	return nil
}

// collapse is p of each rule: with s·c, and A and B over √c, the steps of the
// weight are the same at lr/cᵖ.
var collapse = []struct {
	rule any
	p    float64
}{
	{update.SGD{}, 1}, {update.AdamW{}, 0.5}, {update.LoRAPlus{}, 0.5}, {update.LoRAFA{}, 0.5}, {update.OneSided{}, 0.5},
	{update.Lion{}, 0.5}, {update.Muon{}, 0.5}, {update.Restarts{}, 0.5},
	{update.AdaLomo{}, 0},     // its steps are parts of the factors
	{update.LoRARITE{}, 1},    // without 1/s
	{update.LoFT{}, 1},        // without 1/s
	{update.AltLoRA{}, 0},     // with 1/s²: a gradient of the weight
	{update.TangentMuon{}, 0}, // its steps are the weight's
	{update.ScaledGD{}, 2},    // without 1/s²
	{update.ScaledAdamW{}, 0.5},
	{update.GaLore{}, 0.5}, // factors are too small for it: Adam
}

func collapses(m lora.Method) error {
	const c = 16.0 // a power of four: exact
	at := slices.IndexFunc(collapse, func(k struct {
		rule any
		p    float64
	}) bool {
		return is(m.Update, k.rule)
	})
	if at < 0 {
		return errorf("%T stands in no row of collapse", m.Update)
	}
	if u, ok := m.Update.(update.ScaledAdamW); ok { // a damping has a size of its own
		u.Damping = 0
		m.Update = u
	}
	if u, ok := m.Update.(update.ScaledGD); ok {
		u.Damping = 0
		m.Update = u
	}
	if u, ok := m.Update.(update.AltLoRA); ok {
		u.Damping = 0
		m.Update = u
	}
	m.Initial = zeros{}
	s, lr := small(6), 0.02
	if is(m.Update, update.SGD{}) || is(m.Update, update.ScaledGD{}) {
		lr = 0.005
	}
	plain, err := s.walk(m, lr, spread)
	if err != nil {
		return err
	}
	shrink := func(m *adapter.Map) {
		spread(m)
		for _, name := range []string{"A", "B"} {
			for i := range m.Factor(name).Floats() {
				m.Factor(name).Floats()[i] /= float32(math.Sqrt(c))
			}
		}
	}
	large := s
	large.alpha *= c
	p := collapse[at].p
	other, err := large.walk(m, lr/math.Pow(c, p), shrink)
	if err != nil {
		return err
	}
	// Adam's eps of 1e-8, and 1e-6 of LoRA-RITE, beside gradients around one.
	if d := apart(plain, other); !(d < 1e-4) {
		return errorf("at lr/c^%v the changes of the weight differ by %.3g", p, d)
	}
	if other, err = large.walk(m, lr/math.Pow(c, p+0.5), shrink); err != nil {
		return err
	}
	if d := apart(plain, other); !(d > 0.05) {
		return errorf("they differ by %.3g only at another rate", d)
	}
	return nil
}

func determined(m lora.Method) error {
	s := shape{out: 96, in: 130, rank: 4, alpha: 4, steps: 6, seed: 1}
	var first lora.State
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, threads := range []int{1, 4} {
		runtime.GOMAXPROCS(threads)
		r, err := s.regress(m, nil)
		if err != nil {
			return err
		}
		for range s.steps {
			if err := r.step(0.01); err != nil {
				return err
			}
		}
		state := r.set.State()
		if first == nil {
			first = state
		}
		for name, x := range first {
			if err := equal(name, state[name], x); err != nil {
				return err
			}
		}
	}
	return nil
}
