package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAnalyze(t *testing.T) {
	testdata := "../../analyze/testdata"
	plain, patterns, base := testdata+"/plain", testdata+"/patterns", testdata+"/base"

	code, out, errs := command(t, "analyze", plain)
	if code != exitOK || strings.Count(out, "\nmodel.layers.") != 14 || !strings.Contains(out, "EFF.RANK") || strings.Contains(out, "INTRUDERS") {
		t.Errorf("ends with %d: %s%s", code, out, errs)
	}

	dir := t.TempDir()
	code, out, errs = command(t, "analyze", plain, patterns, "--base", base, "--checkpoints", "-o", dir)
	for _, want := range []string{"INTRUDERS", "TOP LEFT", "INTERFERENCE", "EFFICIENCY", filepath.Join(dir, "analysis.html")} {
		if code != exitOK || !strings.Contains(out, want) {
			t.Errorf("ends with %d, without %s: %s%s", code, want, out, errs)
		}
	}
	if page, err := os.ReadFile(filepath.Join(dir, "analysis.html")); err != nil || strings.Count(string(page), "<svg") < 30 || strings.Contains(string(page), "src=") {
		t.Errorf("the page has %d bytes: %v", len(page), err)
	}

	code, out, _ = command(t, "analyze", plain, "--base", base, "--json")
	var rows []struct {
		Adapter, Module, Metric string
		Value                   float64
	}
	if err := json.Unmarshal([]byte(out), &rows); code != exitOK || err != nil {
		t.Fatalf("ends with %d: %v", code, err)
	}
	found := map[string]int{}
	for _, r := range rows {
		if r.Adapter != plain || !strings.HasPrefix(r.Module, "model.layers.") {
			t.Errorf("%+v", r)
		}
		found[r.Metric]++
	}
	for _, name := range strings.Fields(`frobenius_norm spectral_norm nuclear_norm effective_rank stable_rank participation_ratio energy_rank_95
		condition_a condition_b balance relative_norm amplification intruders overlap_top_left overlap_top_right`) {
		if found[name] != 14 {
			t.Errorf("%s stands %d times: must be once a map", name, found[name])
		}
	}

	other := t.TempDir() // a base with wider rows
	for _, name := range []string{"config.json", "model.safetensors"} {
		b, err := os.ReadFile("../../../nn/gpt2/testdata/lm/" + name)
		if err != nil {
			t.Skip(err)
		}
		if err := os.WriteFile(filepath.Join(other, name), b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	narrow := t.TempDir()
	for _, name := range []string{"adapter_config.json", "adapter_model.safetensors"} {
		b, err := os.ReadFile(filepath.Join(plain, name))
		if err != nil {
			t.Fatal(err)
		}
		if name == "adapter_config.json" {
			b = []byte(strings.Replace(string(b), `"r": 4`, `"r": 3`, 1))
		}
		if err := os.WriteFile(filepath.Join(narrow, name), b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		args []string
		says string
	}{
		{nil, "needs the folder of an adapter"},
		{[]string{"nowhere"}, "nowhere/adapter_config.json"},
		{[]string{"nowhere", "--base", base}, "nowhere/adapter_model.safetensors"},
		{[]string{plain, "--base", "nowhere"}, "nowhere"},
		{[]string{plain, plain}, "is given twice"},
		{[]string{plain, "--checkpoints"}, "one adapter makes no path"},
		{[]string{narrow}, "is [4 48]: must be [3 48]"},
		{[]string{narrow, "--base", base}, "is [4 32]: must be [3 32]"},
		{[]string{plain, "--base", other}, "target_modules"},
	} {
		code, out, errs := command(t, append([]string{"analyze"}, c.args...)...)
		if code != exitUsage || out != "" || !strings.Contains(errs, c.says) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%q ends with %d, prints %q and says %q, want …%s…", c.args, code, out, errs, c.says)
		}
	}
}
