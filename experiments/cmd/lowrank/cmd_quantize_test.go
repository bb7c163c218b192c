package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/nn/pretrained"
)

// A model in NF4 is written whole and read as it was rounded.
func TestQuantize(t *testing.T) {
	const base = "../../../nn/llama/testdata"
	dir := filepath.Join(t.TempDir(), "nf4")
	var out strings.Builder
	if err := runQuantize(quantizeOptions{out: dir, to: "nf4"}, base, &out); err != nil {
		t.Fatal(err)
	}
	if want := "model.safetensors, config.json, "; !strings.Contains(out.String(), want) {
		t.Errorf("it says %q, want %q in it", out.String(), want)
	}
	rounded, err := pretrained.LoadKept(base, kernels.NF4, nil)
	if err != nil {
		t.Fatal(err)
	}
	read, err := pretrained.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range rounded.Linears() {
		have, want := read.Linears()[i].Weight(), l.Weight()
		for j := range want {
			if have[j] != want[j] {
				t.Fatalf("%s: weight %d is %v, want %v", l.Name, j, have[j], want[j])
			}
		}
	}
	for args, want := range map[quantizeOptions]string{
		{out: dir, to: "nf4"}:        "is not empty",
		{out: dir + "2", to: "int8"}: `--to "int8": must be nf4, bf16 or f16`,
		{out: dir + "2", to: "int4"}: `--to "int4"`,
		{out: "", to: "nf4"}:         "-o is missing",
		{out: base, to: "nf4"}:       "is the folder that is read",
	} {
		if err := runQuantize(args, base, &out); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", args, err, want)
		}
	}
}
