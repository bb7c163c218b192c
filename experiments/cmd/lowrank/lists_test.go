package main

import (
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/experiments"
	"github.com/lowrank/lowrank/lora"
)

func TestMethodsList(t *testing.T) {
	_, out, _ := command(t, "methods", "--json")
	var rows []methodRow
	d := json.NewDecoder(strings.NewReader(out))
	d.DisallowUnknownFields()
	if err := d.Decode(&rows); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range rows {
		names = append(names, r.Name)
		for slot, p := range map[string]part{"delta": r.Parts.Delta, "init": r.Parts.Init, "update": r.Parts.Update, "rank": r.Parts.Rank, "router": r.Parts.Router} {
			if _, err := lora.Row(p.Row); err != nil && p.Row != "none" || p.Kind == "" && slot != "router" || strings.Contains(p.Kind, ".") {
				t.Errorf("%s: %s is %+v", r.Name, slot, p)
			}
		}
	}
	var want []string
	for _, m := range lora.Methods() {
		want = append(want, m.Name)
	}
	if !slices.Equal(names, want) {
		t.Errorf("have %v, want %v", names, want)
	}
	adalora := rows[slices.Index(names, "adalora")].Parts
	if adalora.Delta != (part{"adalora", "SVD"}) || adalora.Update != (part{"lora", "AdamW"}) || adalora.Router != (part{"none", ""}) {
		t.Errorf("adalora is of %+v", adalora)
	}

	if p := rows[slices.Index(names, "lora-pro")].Published; p != (lora.Published{Rank: 8, Alpha: 16, Root: true, LR: 2e-5, In: "Llama-2-7B, MetaMathQA-100k"}) {
		t.Errorf("lora-pro is published with %+v", p)
	}

	_, out, _ = command(t, "methods")
	for _, name := range want {
		if !strings.Contains(out, "\n"+name+" ") {
			t.Errorf("the table has no %s", name)
		}
	}
	_, out, _ = command(t, "methods", "lora-ga")
	if lines := strings.Split(strings.TrimSpace(out), "\n"); len(lines) != 2 || !strings.Contains(lines[1], "lora-ga (Gradient)") || !strings.Contains(lines[1], "2407.05000") || !strings.Contains(strings.Join(strings.Fields(lines[1]), " "), " 8 16 rs 2e-05 Llama-2-7B, ") {
		t.Errorf("lora-ga alone: %q", out)
	}
	_, out, _ = command(t, "methods", "altlora") // whose authors say no learning rate
	if !strings.Contains(strings.Join(strings.Fields(out), " "), " 8 16 - Llama-3.1-8B, ") {
		t.Errorf("altlora alone: %q", out)
	}
}

func TestTargetsList(t *testing.T) {
	dir, file := workplace(t)
	path := file("targets.yaml", config(dir, "targets: [q_proj, down_proj]\nrank_pattern: {down_proj: 2}\nmethod: lora-fa\n"))
	_, out, _ := command(t, "targets", path, "--json")
	var rows []experiments.Adapted
	if err := json.Unmarshal([]byte(out), &rows); err != nil {
		t.Fatal(err)
	}
	want := []experiments.Adapted{
		{Name: "model.layers.0.self_attn.q_proj", Out: 32, In: 32, Rank: 4, Scaling: 2, Factors: []string{"A 4×32 frozen", "B 32×4"}, Trained: 128},
		{Name: "model.layers.0.mlp.down_proj", Out: 32, In: 48, Rank: 2, Scaling: 4, Factors: []string{"A 2×48 frozen", "B 32×2"}, Trained: 64},
	}
	if !reflect.DeepEqual(rows, want) {
		t.Errorf("have %+v, want %+v", rows, want)
	}
	if _, table, _ := command(t, "targets", path); strings.Count(table, "\n") != 4 || !strings.Contains(table, "2 maps") {
		t.Errorf("have the table %q", table)
	}

	// A base of our own need not be there, and is not made.
	own := file("own.yaml", config(dir, "base: {dir: ''}\n"))
	if code, table, _ := command(t, "targets", own, "-o", dir+"/out"); code != exitOK || !strings.Contains(table, "28 maps") {
		t.Errorf("ends with %d: %q", code, table)
	}
	if _, err := os.Stat(dir + "/out"); err == nil {
		t.Error("targets has written something")
	}
}

func TestMetricsList(t *testing.T) {
	_, out, _ := command(t, "metrics", "--json")
	var rows []map[string]any
	if err := json.Unmarshal([]byte(out), &rows); err != nil || len(rows) < 10 {
		t.Fatalf("%d metrics, %v", len(rows), err)
	}
	for _, r := range rows {
		for _, field := range []string{"name", "definition", "source", "unit", "range", "cost"} {
			if s, ok := r[field].(string); !ok || s == "" && field != "source" { // a norm needs none
				t.Errorf("%v has no %s", r["name"], field)
			}
		}
	}
	_, table, _ := command(t, "metrics")
	for _, r := range rows {
		if !strings.Contains(table, "\n  "+r["name"].(string)) {
			t.Errorf("the table lacks %v", r["name"])
		}
	}
	_, one, _ := command(t, "metrics", "sigma_3")
	if !strings.Contains(one, "singular value") || !strings.Contains(one, "cost") {
		t.Errorf("metrics sigma_3: %q", one)
	}
}
