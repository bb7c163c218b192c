package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/vbauerster/mpb/v8"

	"github.com/lowrank/lowrank/experiments/record"
)

// Where there is no terminal a study says a line now and then, and each
// failure.
func TestProgressInPlainLines(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&out)
	watch := p.pretraining(2)
	watch(1, 5)
	watch(2, 4)
	p.Plan(3)
	p.Step("lora_1", 1, 1, 3)
	p.End(&record.Run{ID: "lora_1", Status: record.Done}, true, nil)
	p.End(&record.Run{ID: "lora_2", Status: record.Diverged}, false, nil)
	p.End(&record.Run{ID: "lora_3", Status: record.Failed}, false, errors.New("disk full"))
	p.close()
	for _, text := range []string{"pretraining the base: step 2 of 2, loss 4.000", "runs planned: 3", "lora_3 failed: disk full", "3 of 3 runs"} {
		if !strings.Contains(out.String(), text) {
			t.Errorf("have %q, want %q in it", out.String(), text)
		}
	}
	if have, want := p.summary(), "3 runs, 1 of them there before, 1 diverged, 1 failed"; have != want {
		t.Errorf("have %q, want %q", have, want)
	}
}

// The display draws by itself while it is told of runs: neither may wait for
// the other.
func TestProgressWithBars(t *testing.T) {
	p := newProgress(io.Discard)
	p.bars = mpb.New(mpb.WithOutput(io.Discard), mpb.WithAutoRefresh(), mpb.WithRefreshRate(time.Millisecond))
	ended := make(chan bool)
	go func() {
		defer close(ended)
		watch := p.pretraining(3)
		for step := range 3 {
			watch(step+1, 1)
		}
		for round := range 3 { // the grid grows
			p.Plan(100)
			for i := range 100 {
				id := fmt.Sprint(round, "_", i)
				for step := range 4 {
					p.Step(id, step+1, 5, 1)
				}
				p.End(&record.Run{ID: id, Status: record.Done}, false, map[bool]error{true: errors.New("odd")}[i%50 == 1])
			}
		}
		p.Step("cut off", 1, 5, 1)
		p.close()
	}()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Fatal("the display and the study wait for each other")
	}
	if have, want := p.summary(), "300 runs, 6 failed"; have != want {
		t.Errorf("have %q, want %q", have, want)
	}
}
