package record

import (
	"cmp"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// readers are the programs that the streams are for, each in its own words: a
// JSON list of what they made of the folder sys.argv[1].
var readers = map[string]string{
	"pandas": `
import json, sys, pandas
t = pandas.read_parquet(sys.argv[1] + "/metrics.parquet")
q = t[(t.metric == "effective_rank") & (t["map"] == "self_attn.q_proj")]
print(json.dumps([list(t.columns), len(t), q.groupby("step").value.mean().to_dict(), sorted(set(t.layer))]))`,
	"duckdb": `
import json, sys, duckdb
q = duckdb.sql(f"select step, avg(value) from '{sys.argv[1]}/metrics.parquet' where metric = 'effective_rank' and map = 'self_attn.q_proj' group by step order by step").fetchall()
t = duckdb.sql(f"select * from '{sys.argv[1]}/metrics.parquet'")
print(json.dumps([t.columns, len(t.fetchall()), {s: v for s, v in q}, sorted({r[2] for r in t.fetchall()})]))`,
	"tensorboard": `
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
a = EventAccumulator(sys.argv[1], size_guidance={"histograms": 0}); a.Reload()
h = a.Histograms("spectrum/model.layers.1.self_attn.q_proj")
print(json.dumps([a.Tags()["scalars"], [[e.step, e.value] for e in a.Scalars("train_loss")],
  [[e.step, e.histogram_value.num, e.histogram_value.min, e.histogram_value.max, e.histogram_value.sum, sum(e.histogram_value.bucket)] for e in h]]))`,
}

// streamed are the metrics of two steps of two blocks.
func streamed() (rows []Metric) {
	for step := 1; step <= 2; step++ {
		rows = append(rows, Metric{step, "", "train_loss", 3 / float64(step)})
		for _, layer := range []string{"model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.q_proj"} {
			block := float64(layer[len("model.layers.")] - '0')
			rows = append(rows, Metric{step, layer, "sigma_1", 4}, Metric{step, layer, "sigma_2", 1}, Metric{step, layer, "sigma_3", block},
				Metric{step, layer, "effective_rank", float64(step) + block})
		}
		rows = append(rows, Metric{step, "*.q_proj", "effective_rank", float64(step) + 0.5}, Metric{step, "*", "effective_rank", float64(step) + 0.5})
	}
	return rows
}

func TestReadByPython(t *testing.T) {
	dir := t.TempDir()
	writeLog(t, dir, streamed()...)
	if err := WriteParquet(dir, "run"); err != nil {
		t.Fatal(err)
	}
	if err := WriteEvents(dir, time.Unix(1_700_000_000, 0), time.Unix(1_700_000_009, 0)); err != nil {
		t.Fatal(err)
	}
	table := `[["run", "step", "layer", "map", "metric", "value"], 22, {"1": 1.5, "2": 2.5}, ["", "*", "model.layers.0", "model.layers.1"]]`
	for name, want := range map[string]string{
		"pandas": table, "duckdb": table,
		"tensorboard": `[["train_loss", "sigma_1/model.layers.0.self_attn.q_proj", "sigma_2/model.layers.0.self_attn.q_proj", "sigma_3/model.layers.0.self_attn.q_proj", "effective_rank/model.layers.0.self_attn.q_proj", ` +
			`"sigma_1/model.layers.1.self_attn.q_proj", "sigma_2/model.layers.1.self_attn.q_proj", "sigma_3/model.layers.1.self_attn.q_proj", "effective_rank/model.layers.1.self_attn.q_proj", "effective_rank/*.q_proj", "effective_rank/*"], ` +
			`[[1, 3.0], [2, 1.5]], [[1, 3.0, 1.0, 4.0, 6.0, 3.0], [2, 3.0, 1.0, 4.0, 6.0, 3.0]]]`,
	} {
		t.Run(name, func(t *testing.T) {
			python, err := exec.LookPath(cmp.Or(os.Getenv("LOWRANK_PYTHON"), "python3"))
			if err != nil {
				t.Skipf("there is no Python: %v", err)
			}
			if out, err := exec.Command(python, "-c", "import "+name).CombinedOutput(); err != nil {
				t.Skipf("%s lacks %s (LOWRANK_PYTHON names another): %s", filepath.Base(python), name, lastLine(out))
			}
			cmd := exec.Command(python, "-c", readers[name], dir)
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v: %s", err, lastLine(err.(*exec.ExitError).Stderr))
			}
			if got := canonical(t, string(out)); got != canonical(t, want) {
				t.Errorf("it reads\n%s, want\n%s", got, want)
			}
		})
	}
}

func lastLine(b []byte) string {
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return lines[len(lines)-1]
}

// canonical writes JSON in one way.
func canonical(t *testing.T, text string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	b, _ := json.Marshal(v)
	return string(b)
}

// Names come apart and together again.
func TestPlace(t *testing.T) {
	for name, want := range map[string][2]string{
		"": {"", ""}, "*": {"*", ""}, "*.q_proj": {"*", "q_proj"}, "model.layers.3.*": {"model.layers.3", "*"},
		"model.layers.3.self_attn.q_proj": {"model.layers.3", "self_attn.q_proj"}, "lm_head": {"", "lm_head"}, "blocks.7": {"", "blocks.7"},
		"encoder.block.0.layer.1.DenseReluDense.wi": {"encoder.block.0.layer.1", "DenseReluDense.wi"},
	} {
		if layer, of := place(name); layer != want[0] || of != want[1] || joined(layer, of) != name {
			t.Errorf("%q: have %q and %q, together %q, want %q", name, layer, of, joined(layer, of), want)
		}
	}
	if joined("model.layers.0.q", "") != "model.layers.0.q" {
		t.Error("a table without maps is not read")
	}
}
