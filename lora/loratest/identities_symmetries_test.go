package loratest

import (
	"math"
	"slices"

	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/update"
	"gonum.org/v1/gonum/mat"
)

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
