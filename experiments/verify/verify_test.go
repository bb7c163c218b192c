package verify

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// verified returns the rows of a folder.
func verified(t *testing.T, dir, only string) []Row {
	t.Helper()
	var rows []Row
	if err := Run(context.Background(), []string{dir}, regexp.MustCompile(only), func(r Row) { rows = append(rows, r) }); err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if strings.Contains(r.Note, "runtime error") || strings.Contains(r.Note, "nil pointer") {
			t.Errorf("%s/%s %s: a defect: %s", r.Folder, r.Case, r.Name, r.Note)
		}
		if (r.Note == "") != (r.Status == Pass) {
			t.Errorf("%s/%s %s: %s says %q", r.Folder, r.Case, r.Name, r.Status, r.Note)
		}
	}
	return rows
}

// Small recordings of each kind that PEFT and tokenizers made for this test.
func TestTestdata(t *testing.T) {
	seen := map[string]int{}
	for _, r := range verified(t, "testdata", "^(layers|common|words)/") {
		want := Pass
		if r.Case == "ia3" {
			want = Unsupported
		}
		if r.Status != want {
			t.Errorf("%s/%s %s is %s, want %s: %s", r.Folder, r.Case, r.Name, r.Status, want, r.Note)
		}
		seen[filepath.Base(r.Folder)+"/"+r.Case]++
	}
	for name, rows := range map[string]int{
		"layers/lora": 17, "layers/rslora_bias": 25, "layers/pissa_dora": 22, "layers/adalora": 24, "layers/adalora_trace": 74,
		"layers/module_conv1d": 8, "layers/module_conv2d": 7, "layers/module_embedding": 7, "layers/optim_lorafa": 11,
		"common/olora": 19, "common/lora": 19, "words/tokenizer": 6, "layers/ia3": 1,
	} {
		if seen[name] != rows {
			t.Errorf("%s has %d rows, want %d", name, seen[name], rows)
		}
	}
}

// All recordings of layers and tokenizers: what lowrank has agrees, and the
// rest is said to be unsupported.
func TestFixtures(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "shared", "fixtures")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("shared/fixtures is not here, testdata alone is compared: " + err.Error())
	}
	must := regexp.MustCompile(`^((lora|rslora|pissa|module)(_.*)?|dora|olora|vera|hira|adalora.*|optim_(adam.*|sgd.*|lora.*)|tokenizer)$`)
	cases := map[string]bool{}
	for _, kind := range []string{"layers", "tokenizers"} {
		for _, r := range verified(t, filepath.Join(dir, kind), "") {
			if r.Status == Fail || r.Status != Pass && must.MatchString(r.Case) {
				t.Errorf("%s/%s %s is %s: %s", r.Folder, r.Case, r.Name, r.Status, r.Note)
			}
			if r.Status == Pass {
				cases[r.Folder+"/"+r.Case] = true
			}
		}
	}
	if len(cases) < 70 {
		t.Errorf("%d cases pass, want 58 of layers and 14 tokenizers", len(cases))
	}
}

func TestRunRefuses(t *testing.T) {
	empty := t.TempDir()
	for _, c := range []struct{ dir, only, says string }{
		{empty, "", "holds no reference"},
		{filepath.Join(empty, "none"), "", "no such file"},
		{"testdata/layers", "^nothing$", "no case matches ^nothing$"},
	} {
		err := Run(context.Background(), []string{c.dir}, regexp.MustCompile(c.only), func(Row) {})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s, only %q: %v, want …%s…", c.dir, c.only, err, c.says)
		}
	}
	stopped, stop := context.WithCancel(context.Background())
	stop()
	if err := Run(stopped, []string{"testdata/layers"}, nil, func(Row) {}); err != context.Canceled {
		t.Errorf("stopped: %v", err)
	}
}

// status returns the worst outcome of rows.
func status(rows []Row) Status {
	for _, s := range []Status{Fail, Unsupported} {
		if slices.ContainsFunc(rows, func(r Row) bool { return r.Status == s }) {
			return s
		}
	}
	return Pass
}
