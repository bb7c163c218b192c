package compare

import (
	"testing"
	"time"
)

// planted is a side that takes so long by its own clock.
func planted(name string, seconds ...float64) side {
	at := 0
	return side{name: name, time: func(_, repeats int) ([]float64, error) {
		took := make([]float64, repeats)
		for i := range took {
			took[i] = seconds[at%len(seconds)]
			at++
		}
		return took, nil
	}}
}

func TestAlternate(t *testing.T) {
	p := pace{row: time.Second, block: 10 * time.Millisecond, sample: time.Millisecond}
	got, err := alternate(p, []side{planted("a", 0.002, 0.002, 0.004), planted("b", 0.001)})
	if err != nil {
		t.Fatal(err)
	}
	if got["a"] != 0.002 || got["b"] != 0.001 {
		t.Errorf("medians %v", got)
	}
}

// TestTurns: sides have their blocks in turn, and not always in the same order.
func TestTurns(t *testing.T) {
	var turns string
	turn := func(name string) side {
		return side{name: name, time: func(_, repeats int) ([]float64, error) {
			turns += name
			return make([]float64, repeats), nil
		}}
	}
	if _, err := alternate(pace{row: 1, block: 1}, []side{turn("a"), turn("b"), turn("c")}); err != nil {
		t.Fatal(err)
	}
	if turns != "abc"+"abc"+"bca"+"cab" { // a first look, then the rounds
		t.Errorf("turns %s", turns)
	}
}
