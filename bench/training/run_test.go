package training

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/bench/compare"
	"github.com/lowrank/lowrank/bench/peers"
	"github.com/lowrank/lowrank/bench/step"
)

// TestMain lets Run start the program of the tests as our side.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == Word {
		if err := Serve(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// TestRun: methods that are brought to the other side each in a way of its own
// have the same losses there. How fast they are is for the command to tell.
func TestRun(t *testing.T) {
	if testing.Short() {
		t.Skip("torch takes seconds to start")
	}
	o := Options{Threads: []int{1}, Shapes: []step.Shape{step.Study}, Rounds: 1, Steps: 1,
		Methods: []string{"lora", "adalora", "vera", "pissa", "lora-fa", "full", "lora-moe"}}
	if peer, err := peers.StartSteps(""); err != nil {
		t.Skip(err)
	} else {
		peer.Close()
	}
	rep, err := Run(o, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rep.Rows {
		skipped := strings.HasPrefix(row.Note, "skipped")
		switch {
		case skipped != (row.Name == "lora-moe"):
			t.Errorf("%s: %s", row.Name, row.Note)
		case !skipped && (row.Verdict == compare.Differs || len(row.Rates) != 2):
			t.Errorf("%s/%s: %s: %v %s", row.Group, row.Name, row.Verdict, row.Rates, row.Note)
		}
	}
	if _, err := json.Marshal(rep); err != nil {
		t.Error(err)
	}
	t.Logf("%d rows", len(rep.Rows))
}

// TestWithout: without Python our own figures are there, and what is measured
// by it is not known.
func TestWithout(t *testing.T) {
	// Of several steps what every one allocates is ours; in a single one it may be the
	// runtime's own goroutines, which the process's count does not tell apart.
	o := Options{Threads: []int{1}, Shapes: []step.Shape{step.Study}, Methods: []string{"lora"}, Rounds: 1, Steps: 4,
		Python: filepath.Join(t.TempDir(), "python")}
	begun := 0
	rep, err := Run(o, func(*compare.Report, compare.Group) { begun++ }, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(rep.Rows) != 3 || begun != 3 || len(rep.Peers) != 1 || !strings.Contains(rep.Peers[0].Missing, "pip install torch transformers peft") {
		t.Fatalf("%d rows of %d groups, %+v", len(rep.Rows), begun, rep.Peers)
	}
	row, known := rep.Rows[0], map[string]compare.Check{}
	for _, c := range row.Checks {
		known[c.What] = c
	}
	if c := known["× PyTorch"]; !c.Unknown {
		t.Errorf("%v without PyTorch", c)
	}
	if c := known["of peak"]; !(c.Got > 0.01 && c.Got < 1.1) {
		t.Errorf("%v", c)
	}
	if c := known["allocations in every step"]; !c.OK() {
		t.Errorf("%v", c)
	}
	if c := known["× formula"]; !c.Unknown && !(c.Got > 0.5 && c.Got < 3) {
		t.Errorf("%v: %s", c, row.Note)
	}
	if !strings.Contains(row.Note, "packed") || !(row.Rates[0].Seconds > 0) {
		t.Errorf("%+v", row)
	}
}

func TestDiffers(t *testing.T) {
	of := func(trained int, losses ...float64) *side { return &side{trained: trained, losses: losses} }
	for want, theirs := range map[string]*side{
		"":                 of(7, 2, 1.00005),
		"trains 8 values":  of(8, 2, 1),
		"losses [2 1], of": of(7, 2, 1.0002),
		"losses [2 1]":     of(7, math.NaN(), 1),
	} {
		training := &training{sides: []*side{of(7, 2, 1), theirs}}
		if got := training.differs(); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestQuarters(t *testing.T) {
	if low, middle, high := quarters([]float64{5, 1, 4, 2, 3}); low != 2 || middle != 3 || high != 4 {
		t.Errorf("%g, %g, %g", low, middle, high)
	}
	if low, middle, high := quarters([]float64{2, 1}); low != 1.25 || middle != 1.5 || high != 1.75 {
		t.Errorf("%g, %g, %g", low, middle, high)
	}
}

func TestPicture(t *testing.T) {
	rep := &compare.Report{}
	for threads := 1; threads <= 2; threads++ {
		for _, method := range []string{"lora", "dora"} {
			rep.Rows = append(rep.Rows, &compare.Row{Group: "study", Name: method, Threads: threads,
				Rates: []compare.Rate{{Side: oursName, Rate: 20}, {Side: eagerName, Rate: 50}}})
		}
	}
	svg := Picture(rep)
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"study, ours", "study, PyTorch", "study, dora, PyTorch: 50.0 ms"} {
		if !strings.Contains(svg, want) {
			t.Errorf("the picture lacks %q", want)
		}
	}
}

// TestBig: a model in each format trains in a process of its own, and nothing is
// left behind.
func TestBig(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	rep, err := Big(BigOptions{Bases: []string{"nf4", "f32"}, Threads: 1, Steps: 1, Shape: step.Study}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(rep.Rows) != 2 || rep.Rows[0].Verdict == compare.FallsShort || !(rep.Rows[0].Figures["formula"] < rep.Rows[1].Figures["formula"]) {
		t.Errorf("%+v", rep.Rows)
	}
	if left, err := os.ReadDir(largeFiles()); err != nil || len(left) > 0 {
		t.Errorf("%v are left, %v", left, err)
	}
}
