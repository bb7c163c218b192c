package verify

import (
	"math"
	"strings"

	"github.com/lowrank/lowrank/lora/update"
	"github.com/lowrank/lowrank/nn/optim"
)

// peftFA is the optimizer of PEFT's LoRA-FA: the projected gradient of B
// ([update.LoRAFA]), then an Adam that adds eps to √v ahead of the bias
// correction.
type peftFA struct{ decay, beta1, beta2, eps float64 }

func (t peftFA) Init(g *optim.Group) optim.State {
	s := &peftFAState{peftFA: t}
	for _, p := range g.Params {
		s.m, s.v = append(s.m, make([]float64, len(p.Value.Floats()))), append(s.v, make([]float64, len(p.Value.Floats())))
	}
	return s
}

type peftFAState struct {
	peftFA
	m, v [][]float64
}

func (s *peftFAState) Step(g *optim.Group, c optim.Clock) {
	projected := projection(g, c)
	c1, c2 := 1-math.Pow(s.beta1, float64(c.Step)), 1-math.Pow(s.beta2, float64(c.Step))
	for i, p := range g.Params {
		gradient := projected[p.Name]
		if gradient == nil { // A, which is frozen
			clear(p.Update)
			continue
		}
		w := p.Value.Floats()
		for j, u := range gradient {
			m, v := &s.m[i][j], &s.v[i][j]
			*m = s.beta1**m + (1-s.beta1)*u
			*v = s.beta2**v + (1-s.beta2)*u*u
			step := *m / c1 * math.Sqrt(c2) / (math.Sqrt(*v) + s.eps)
			// What decays is the weight after the step.
			p.Update[j] = float32(step + s.decay*(float64(w[j])-c.LR*step))
		}
	}
}

func (s *peftFAState) Buffers() []optim.Buffer { return nil }

// projection returns what LoRA-FA's projection makes of the gradients, by the
// names of the parameters. A new state of the rule shows it: the first moment
// of its Adam is a tenth of it.
func projection(g *optim.Group, c optim.Clock) map[string][]float64 {
	const tenth = 1 - 0.9
	fresh := update.LoRAFA{Project: true}.Transform(0).Init(g)
	fresh.Step(g, optim.Clock{Step: 1, LR: c.LR})
	out := map[string][]float64{}
	for _, b := range fresh.Buffers() {
		_, name, ok := strings.Cut(b.Name, "adam.m.")
		if !ok {
			continue
		}
		x := make([]float64, len(b.Values))
		for i, v := range b.Values {
			x[i] = float64(v) / tenth
		}
		out[name] = x
	}
	return out
}
