package record

import (
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
)

func testRun() *Run {
	return &Run{
		ID: "pissa_lr1e-3_seed1", Status: Done,
		Method: Method{Name: "pissa", Paper: "PiSSA", ArXiv: "2404.02948", Axis: "init", Parts: Parts{Delta: "lora", Init: "pissa"}},
		LR:     1e-3, Seed: math.MaxUint64, Rank: 8, Alpha: 16,
		Config: json.RawMessage(`{"rank":8}`), Fingerprint: "f",
		Versions: Versions(), Machine: ThisMachine(),
		Started: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), Ended: time.Date(2026, 1, 2, 3, 5, 0, 0, time.UTC),
		Train: Train{Steps: 200, Tokens: 1 << 40, Seconds: 1.5, Targets: []string{"q_proj"}},
		Eval:  map[string]float64{"adapt_before": 2.5, "adapt_after": math.Inf(1), "base_after": math.Inf(-1)},
	}
}

func TestRunRoundTrip(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pissa_lr1e-3_seed1")
	want := testRun()
	if err := want.Write(dir); err != nil {
		t.Fatal(err)
	}
	got, err := ReadRun(dir)
	if err != nil {
		t.Fatal(err)
	}
	if want.Format != Format {
		t.Errorf("format %d was written", want.Format)
	}
	var config strings.Builder // indented with the rest of the file
	if err := json.NewEncoder(&config).Encode(got.Config); err != nil || config.String() != "{\"rank\":8}\n" {
		t.Errorf("have config %s, %v", got.Config, err)
	}
	got.Config = want.Config
	if !reflect.DeepEqual(got, want) {
		t.Errorf("have\n%+v, want\n%+v", got, want)
	}

	// A loss that is not a number does not keep a diverged run from being written.
	want.Status, want.DivergedAt, want.Eval = Diverged, 17, Eval{"adapt_after": math.NaN()}
	if err := want.Write(dir); err != nil {
		t.Fatal(err)
	}
	if got, err = ReadRun(dir); err != nil || !math.IsNaN(got.Eval["adapt_after"]) || got.DivergedAt != 17 {
		t.Errorf("have %+v, %v, want a NaN at step 17", got, err)
	}
}

func TestReadRunRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{"format":2,"status":7}`:                                     "format is 2, want 1: written by another version of lowrank",
		`{"status":"done"}`:                                           "format is missing, want 1",
		`{"format":1,"status":"finished"}`:                            `status is "finished", want one of ["running" "done" "diverged" "failed" "cancelled"]`,
		`{"format":1,"status":"done"`:                                 "unexpected end of JSON input",
		`{"format":1,"status":"done"}{}`:                              "invalid character '{' after top-level value",
		`{"format":1,"status":"done","rank":"8"}`:                     "json: cannot unmarshal string into Go struct field Run.rank of type int",
		`{"format":1,"status":"done","eval":{"adapt_after":"large"}}`: "cannot unmarshal string",
		strings.Repeat("[", 20_000):                                   "exceeded max depth",
		"":                                                            "unexpected end of JSON input",
		"\x00\xff":                                                    "invalid character '\\x00' looking for beginning of value",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "run.json"), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		_, err := ReadRun(dir)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), filepath.Join(dir, "run.json")+": ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.40s:\nhave %v\nwant one line, the file: %s", text, err, want)
		}
	}
}

func TestReadRuns(t *testing.T) {
	root := t.TempDir()
	for _, id := range []string{"b", "a"} {
		r := testRun()
		r.ID = id
		if err := r.Write(filepath.Join(root, id)); err != nil {
			t.Fatal(err)
		}
	}
	for _, folder := range []string{"empty", ".hidden", "json/run.json"} {
		if err := os.MkdirAll(filepath.Join(root, folder), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "study.json"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	runs, errs, err := ReadRuns(root)
	if err != nil || len(runs) != 2 || runs[0].ID != "a" || runs[1].ID != "b" {
		t.Errorf("have %v, %v, want the runs a and b", runs, err)
	}
	if len(errs) != 2 || !errors.Is(errs[0], fs.ErrNotExist) || !strings.Contains(errs[1].Error(), "not a file") {
		t.Errorf("have %q, want errors about the folders empty and json", errs)
	}
	if _, _, err := ReadRuns(filepath.Join(root, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("have %v for a missing root", err)
	}
}

func TestThisMachine(t *testing.T) {
	m := ThisMachine()
	if m.Cores < 1 || m.OS != runtime.GOOS || m.Arch != runtime.GOARCH {
		t.Errorf("have %+v", m)
	}
	if runtime.GOOS == "linux" && (m.MemoryBytes < 1<<20 || PeakRSS() < 1<<20 || PeakRSS() > m.MemoryBytes) {
		t.Errorf("have %d bytes of memory, %d resident at most", m.MemoryBytes, PeakRSS())
	}
	if n := procBytes("/proc/none", "MemTotal:"); n != 0 {
		t.Errorf("have %d bytes from a file that is not there", n)
	}
	if Versions()["go"] != runtime.Version() {
		t.Errorf("have versions %v", Versions())
	}
}
