package loratest

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/lora/initial"
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
