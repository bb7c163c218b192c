package experiments

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"testing"

	"github.com/lowrank/lowrank/kernels"
)

// Any division of the work among threads gives the same adapter.
func TestThreadsDoNotMatter(t *testing.T) {
	wide := func(c *Config) {
		c.Train.Steps, c.Train.Batch, c.Train.Tokens, c.Train.Accumulate, c.Probe = 3, 8, 16, 1, Probe{}
	}
	for _, method := range []string{"lora", "adalora", "lora-pro", "pissa", "lora-moe", "full"} {
		want := finish(t, tinyRun(t, method, wide))
		for _, procs := range []int{1, 2, 8} {
			before := runtime.GOMAXPROCS(procs)
			have := finish(t, tinyRun(t, method, wide))
			runtime.GOMAXPROCS(before)
			wantSame(t, method, have, want)
		}
		kernels.SetThreads(1)
		have := finish(t, tinyRun(t, method, wide))
		kernels.SetThreads(0)
		wantSame(t, method+" on one thread", have, want)
	}
}

// Dropout acts on training alone, and on nothing but the adapters: the first losses
// of an evaluation are those without it, instruments and threads change nothing, and
// neither does computing the blocks again for the gradients, or stopping in between.
func TestDropout(t *testing.T) {
	for _, method := range []string{"lora", "dora", "adalora", "lora-moe"} {
		drop := func(c *Config) { c.Dropout = 0.3 }
		want, plain := finish(t, tinyRun(t, method, drop)), finish(t, tinyRun(t, method))
		if bytes.Equal(want.adapter["adapter_model.safetensors"], plain.adapter["adapter_model.safetensors"]) {
			t.Errorf("%s: dropout changes nothing", method)
		}
		if have, want := want.eval["adapt_before"], plain.eval["adapt_before"]; have != want {
			t.Errorf("%s: before the first step the loss is %v, without dropout %v", method, have, want)
		}
		wantSameAdapter(t, method+" without instruments", finish(t, tinyRun(t, method, drop, func(c *Config) { c.Probe = Probe{} })), want)
		wantSame(t, method+" with blocks computed again", finish(t, tinyRun(t, method, drop, func(c *Config) { c.Checkpoint.Blocks = true })), want)
		kernels.SetThreads(1)
		wantSame(t, method+" on one thread", finish(t, tinyRun(t, method, drop)), want)
		kernels.SetThreads(0)

		r := tinyRun(t, method, drop)
		ctx, cancel := context.WithCancel(context.Background())
		r.Watch = func(step, _ int, _ float64) {
			if step == 5 {
				cancel()
			}
		}
		if _, err := r.Do(ctx); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		wantSame(t, method+" cut at step 5", finish(t, r), want)
	}
}

func TestProbeOnlyReads(t *testing.T) {
	for _, method := range []string{"lora", "dora", "hira", "adalora", "lora-pro", "mola", "full"} {
		with := finish(t, tinyRun(t, method, func(c *Config) { c.Probe = Probe{1, 1, 1, 1, 0} }))
		without := finish(t, tinyRun(t, method, func(c *Config) { c.Probe = Probe{} }))
		wantSameAdapter(t, method, with, without)
		if len(with.metrics) <= len(without.metrics) {
			t.Errorf("%s: the probe has measured nothing", method)
		}
	}
}

// A base in float32 whose weights are packed for every product, and steps that
// keep no activations of the blocks, give the run that a plain one is, bit for
// bit; a base in NF4 another one, which learns too.
func TestKeptBase(t *testing.T) {
	run := func(b Base, blocks bool) result {
		s, err := openTiny(b)
		if err != nil {
			t.Fatal(err)
		}
		r := tinyRun(t, "lora", func(c *Config) { c.Base, c.Checkpoint.Blocks = b, blocks })
		r.Setting = s
		return finish(t, r)
	}
	plain := run(Base{}, false)
	wantSame(t, "base: float32, checkpoint: true", run(Base{Format: "float32"}, true), plain)
	nf4 := run(Base{Format: "nf4"}, false)
	wantSame(t, "base: nf4, checkpoint: true", run(Base{Format: "nf4"}, true), nf4)
	if before, after := nf4.eval["adapt_before"], nf4.eval["adapt_after"]; before == plain.eval["adapt_before"] || after >= before-0.05 {
		t.Errorf("nf4 goes from %v to %v, float32 from %v", before, after, plain.eval["adapt_before"])
	}
}
