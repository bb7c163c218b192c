package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestUsage(t *testing.T) {
	for _, test := range []struct {
		args string
		code int
		want string
	}{
		{"", 2, "usage: compare kernels"},
		{"-h", 0, "usage: compare kernels"},
		{"kernels -h", 0, "group lowrank"},
		{"-h", 0, "usage: compare models"},
		{"models -h", 0, "group from-peft"},
		{"models --threads 0", 2, "--threads: 0: want"},
		{"models --only [", 2, "--only: "},
		{"models --python", 2, "flag needs an argument"},
		{"-h", 0, "usage: compare step"},
		{"step -h", 0, "torch.compile"},
		{"step --threads 0", 2, `--threads: "0"`},
		{"step --model mouse", 2, `--model: no shape "mouse"`},
		{"step --method lorra", 2, `--method: lora: no method is called "lorra"`},
		{"overhead -h", 0, "rules that have a target"},
		{"overhead --threads 0", 2, "--threads: 0: want"},
		{"overhead --rounds 0", 2, "--rounds: 0: want"},
		{"overhead --model mouse", 2, `--model: no shape "mouse"`},
		{"overhead --method lorra", 2, `--method: lora: no method is called "lorra"`},
		{"step more", 2, `"more": want no argument`},
		{"big --base int4", 2, `--base: kernels: dtype "int4"`},
		{"big --threads 0", 2, "--threads: 0: want"},
		{"big --steps 0", 2, "--steps: 0: want"},
		{"rockets", 2, "want the word kernels, models, step, big, probe or overhead"},
		{"kernels --fast", 2, "not defined: -fast"},
		{"kernels --threads 0", 2, `--threads: "0"`},
		{"kernels --threads 1,x", 2, `--threads: "x"`},
		{"kernels --simd sse9", 2, `--simd: kernels: level "sse9"`},
		{"kernels --only (", 2, "--only: "},
		{"kernels more", 2, `"more": want no argument`},
	} {
		var out, errs strings.Builder
		if code := run(strings.Fields(test.args), &out, &errs); code != test.code || !strings.Contains(errs.String(), test.want) || out.Len() > 0 {
			t.Errorf("compare %s: code %d, %q, want %d and %q", test.args, code, errs.String(), test.code, test.want)
		}
	}
}

func TestWriteFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.svg")
	if err := writeFile(path, "<svg/>"); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "<svg/>" {
		t.Errorf("%q, %v", text, err)
	}
	if err := writeFile(filepath.Join(path, "b.svg"), ""); err == nil {
		t.Error("a file below a file is written")
	}
}
