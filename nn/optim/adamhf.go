package optim

import "math"

// AdamHF is [Adam] as transformers had it under the name AdamW, and as PEFT's
// LoRA-FA has it: Eps is added to √v before the bias correction and not after,
//
//	m̂·√(1-Beta2ᵗ) / (√v + Eps) = m̂ / (√v̂ + Eps/√(1-Beta2ᵗ))
//
// so that it weighs more in the first steps. PEFT's Eps is 1e-6.
type AdamHF struct {
	Beta1, Beta2, Eps float64
}

// Init makes zero moments.
func (a AdamHF) Init(g *Group) State {
	return &adamHFState{AdamHF: a, adamState: Adam{a.Beta1, a.Beta2, a.Eps}.Init(g).(*adamState)}
}

type adamHFState struct {
	AdamHF
	*adamState
}

func (s *adamHFState) Step(g *Group, c Clock) {
	s.adamState.Eps = s.AdamHF.Eps / math.Sqrt(1-math.Pow(s.AdamHF.Beta2, float64(c.Step)))
	s.adamState.Step(g, c)
}
