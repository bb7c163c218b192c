package reference

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/bench/compare"
	"github.com/lowrank/lowrank/bench/peers"
)

// TestRun runs some rows of every group that needs no more than seconds.
func TestRun(t *testing.T) {
	if testing.Short() {
		t.Skip("torch takes seconds to start")
	}
	rep, err := Run(Options{Threads: 1, Only: regexp.MustCompile(`^checkpoint/tokens$|peft/(llama, (dora|pissa)|bert, bias all|gpt2, lora)$`)}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(rep.Rows) == 0 {
		t.Skip(rep.Peers[0].Missing)
	}
	for _, p := range rep.Peers {
		if p.Missing != "" {
			t.Log(p.Missing)
		}
	}
	for _, row := range rep.Rows {
		if row.Verdict != compare.Pass {
			t.Errorf("%s/%s: %s: %v %s", row.Group, row.Name, row.Verdict, row.Checks, row.Note)
		}
	}
	if _, err := json.Marshal(rep); err != nil {
		t.Error(err)
	}
}

// TestWithout: a machine without Python is told how to get it, and nothing
// fails.
func TestWithout(t *testing.T) {
	t.Setenv(peers.PythonVariable, "")
	rep, err := Run(Options{Threads: 1, Python: filepath.Join(t.TempDir(), "python")}, nil, nil)
	if err != nil || len(rep.Rows) != 0 || len(rep.Peers) != 1 || !strings.Contains(rep.Peers[0].Missing, "pip install torch transformers peft") {
		t.Errorf("%+v, %v", rep, err)
	}
}

func TestWanted(t *testing.T) {
	r := &run{Options: Options{Only: regexp.MustCompile("^to-peft/llama")}}
	g := group{Group: compare.Group{Name: "to-peft"}}
	if !r.wanted(g, "llama, lora") || r.wanted(g, "bert, lora") {
		t.Error("the pattern is not followed")
	}
}
