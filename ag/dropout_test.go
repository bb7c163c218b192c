package ag_test

import (
	"math"
	"slices"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/ag/agtest"
)

// The low-rank term of a dropped x is in the mean that of x: over n draws within four
// standard errors, that of an entry being √(p/(1-p)·Σ_k x_k²·(BA)_jk²/n).
func TestDroppedMean(t *testing.T) {
	const m, in, out, r, draws, p, s = 3, 9, 5, 2, 4000, 0.3, 0.5
	x, a, b := agtest.Random(m, in, 1), agtest.Random(r, in, 2), agtest.Random(out, r, 3)
	w := ag.NewWeight(out, in, agtest.Random(out, in, 4).Floats())
	tape, noise := ag.NewTape(), &ag.Noise{Seed: 5}
	y := tape.Run(ag.NewLowRankLinear(x, w, a, b, s, nil).Drop(p, noise))
	off := slices.Clone(ag.Floats(y))
	if plain := ag.Floats(ag.NewTape().Run(ag.NewLowRankLinear(x, w, a, b, s, nil))); !slices.Equal(off, plain) {
		t.Errorf("off: %v, without dropout %v", off, plain)
	}
	noise.On = true
	mean := make([]float64, m*out)
	for noise.Draw = range draws {
		tape.Replay()
		for i, v := range ag.Floats(y) {
			mean[i] += float64(v) / draws
		}
	}
	for i, got := range mean {
		var variance float64
		for k := range in {
			var ba float64
			for q := range r {
				ba += s * float64(b.Floats()[i%out*r+q]) * float64(a.Floats()[q*in+k])
			}
			variance += p / (1 - p) * math.Pow(float64(x.Floats()[i/out*in+k])*ba, 2)
		}
		if want, most := float64(off[i]), 4*math.Sqrt(variance/draws); math.Abs(got-want) > most {
			t.Errorf("entry %d: mean %v over %d draws, want %v within %v", i, got, draws, want, most)
		}
	}
}

// A draw is the same whenever it is made, and no other: neither the next one, nor
// that of another dropout of the noise, nor that of another seed.
func TestDraws(t *testing.T) {
	const m, n = 4, 40
	x, a, b := agtest.Random(m, n, 1), agtest.Random(2, n, 2), agtest.Random(3, 2, 3)
	w := ag.NewWeight(3, n, make([]float32, 3*n))
	noise := &ag.Noise{Seed: 1, Draw: 7, On: true}
	draw := func(noise *ag.Noise) []float32 {
		return slices.Clone(ag.Floats(ag.NewTape().Run(ag.NewLowRankLinear(x, w, a, b, 1, nil).Drop(0.5, noise))))
	}
	tape := ag.NewTape()
	y := tape.Run(ag.NewLowRankLinear(x, w, a, b, 1, nil).Drop(0.5, noise))
	first := slices.Clone(ag.Floats(y))
	others := map[string][]float32{
		"another place": draw(noise),
		"another seed":  draw(&ag.Noise{Seed: 2, Draw: 7, On: true}),
		"another draw":  draw(&ag.Noise{Seed: 1, Draw: 8, On: true}),
	}
	for name, other := range others {
		if slices.Equal(first, other) {
			t.Errorf("%s drops the same", name)
		}
	}
	noise.Restart() // the places of another form of the graph
	if again := draw(noise); !slices.Equal(first, again) {
		t.Errorf("the first place: %v, again %v", first, again)
	}
	noise.Draw = 8
	tape.Replay()
	noise.Draw = 7
	tape.Replay()
	if again := ag.Floats(y); !slices.Equal(first, again) {
		t.Errorf("draw 7: %v, again %v", first, again)
	}
}
