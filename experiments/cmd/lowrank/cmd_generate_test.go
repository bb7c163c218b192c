package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/nn/llama"
	"github.com/lowrank/lowrank/nn/pretrained"
)

// speaking writes a small random model with a tokenizer, and returns its folder.
func speaking(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	writeDecoder(t, dir, llama.Config{
		HiddenSize: 16, IntermediateSize: 24, NumHiddenLayers: 1, NumAttentionHeads: 2, NumKeyValueHeads: 1, HeadDim: 8,
		RMSNormEps: 1e-5, RopeTheta: 10000, VocabSize: 2100, MaxPositionEmbeddings: 64,
	})
	return dir
}

// TestGenerate: the text and the JSON say the same; one seed draws the same, and
// an end that is set is stopped at.
func TestGenerate(t *testing.T) {
	dir := speaking(t)
	run := func(args ...string) (code int, out, errs string) {
		return command(t, append([]string{"generate", dir, "--prompt", "A ray of light"}, args...)...)
	}
	code, plain, errs := run("--tokens", "12")
	if code != exitOK {
		t.Fatal(errs)
	}
	var g generated
	decode := func(out string) generated {
		var g generated
		if err := json.Unmarshal([]byte(out), &g); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return g
	}
	_, out, _ := run("--tokens", "12", "--json")
	if g = decode(out); len(g.IDs) != 12 || g.Text+"\n" != plain || g.Rate <= 0 {
		t.Errorf("JSON has %q, %v, %v tokens a second; the text is %q", g.Text, g.IDs, g.Rate, plain)
	}
	sample := func(seed string) string {
		_, out, _ := run("--tokens", "12", "--temperature", "1", "--top-k", "50", "--top-p", "0.9", "--seed", seed)
		return out
	}
	if a, b, c := sample("1"), sample("1"), sample("2"); a != b || a == c {
		t.Errorf("seed 1 gives %q and %q, seed 2 %q", a, b, c)
	}
	end, _ := json.Marshal(map[string]any{"eos_token_id": []int32{g.IDs[3]}})
	if err := os.WriteFile(filepath.Join(dir, pretrained.GenerationFile), end, 0o666); err != nil {
		t.Fatal(err)
	}
	_, out, _ = run("--tokens", "12", "--json")
	if stopped := decode(out); len(stopped.IDs) > 4 || stopped.IDs[len(stopped.IDs)-1] != g.IDs[3] {
		t.Errorf("with an end at %d: %v", g.IDs[3], stopped.IDs)
	}
}

func TestGenerateErrors(t *testing.T) {
	dir := speaking(t)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{dir}, "--prompt is missing"},
		{[]string{dir, "--prompt", "x", "--top-p", "2"}, "top-p is 2"},
		{[]string{dir, "--prompt", "x", "--adapter", dir}, "adapter_config.json"},
		{[]string{filepath.Join(dir, "none"), "--prompt", "x"}, "tokenizer.json"},
		{[]string{dir, "--prompt", "x", "--tokens", "100"}, "max_position_embeddings = 64"},
	} {
		code, _, errs := command(t, append([]string{"generate"}, c.args...)...)
		if code != exitUsage || !strings.Contains(errs, c.want) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%v: exit %d, %q, want one line with %q", c.args, code, errs, c.want)
		}
	}
}
