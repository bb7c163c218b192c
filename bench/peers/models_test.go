package peers

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestQuestion(t *testing.T) {
	var b strings.Builder
	question := map[string]any{"threads": 2}
	if err := writeQuestion(&b, "about", question); err != nil {
		t.Fatal(err)
	}
	if got, want := b.String(), "{\"do\":\"about\",\"threads\":2}\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if len(question) != 1 {
		t.Errorf("the caller's question became %v", question)
	}
}

func TestAnswer(t *testing.T) {
	read := func(text string) (n int, err error) {
		var answer struct{ N int }
		err = readAnswer(bufio.NewReader(strings.NewReader(text)), &answer)
		return answer.N, err
	}
	if n, err := read("{\"n\": 3}\n"); n != 3 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	var refused refusal
	if _, err := read("{\"error\": \"ValueError: no\"}\n"); !errors.As(err, &refused) || err.Error() != "ValueError: no" {
		t.Errorf("a refusal: %v", err)
	}
	for text, want := range map[string]string{
		"":                     "no whole line",
		"{\"n\": 3}":           "no whole line",
		"Loading\n":            "no object of JSON",
		"[1]\n":                "no object of JSON",
		"{\"n\": NaN}\n":       "no object of JSON",
		"{\"n\": \"three\"}\n": "cannot unmarshal string",
	} {
		if _, err := read(text); err == nil || errors.As(err, &refused) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}

// stand writes a shell script that stands in for Python, and returns its path.
func stand(t *testing.T, script string) string {
	t.Helper()
	if _, err := os.Stat("/bin/sh"); err != nil {
		t.Skip(err)
	}
	path := filepath.Join(t.TempDir(), "python")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestModels: a Python side that has no checkpoint, refuses a question and goes
// on; it is found by the environment.
func TestModels(t *testing.T) {
	t.Setenv(PythonVariable, stand(t, `read q; echo '{"version": "PyTorch 2", "package": "a-model", "checkpoint": ""}'
read q; echo '{"error": "KeyError: fly"}'
read q; echo '{"n": 7}'
read q`))
	m, err := StartModels("", 1)
	if err != nil {
		t.Fatal(err)
	}
	var missing *Missing
	if err := m.CheckpointMissing; m.Version != "PyTorch 2" || !errors.As(err, &missing) || !strings.Contains(err.Error(), "pip install a-model") {
		t.Errorf("%q, %v", m.Version, err)
	}
	var answer struct{ N int }
	if err := m.Ask("fly", nil, &answer); err == nil || err.Error() != "fly: KeyError: fly" {
		t.Errorf("a refusal: %v", err)
	}
	if err := m.Ask("count", nil, &answer); err != nil || answer.N != 7 {
		t.Errorf("after a refusal: %d, %v", answer.N, err)
	}
	m.Close()
}

// TestModelsMissing: without Python, or without its packages, the error is the
// line that tells how to get them.
func TestModelsMissing(t *testing.T) {
	packageless := stand(t, `echo "Traceback (most recent call last):" >&2; echo "ModuleNotFoundError: No module named 'peft'" >&2; exit 1`)
	for path, want := range map[string]string{packageless: "No module named 'peft'", filepath.Join(t.TempDir(), "none"): "none"} {
		_, err := StartModels(path, 1)
		var missing *Missing
		if !errors.As(err, &missing) || !strings.Contains(err.Error(), want) || !strings.HasSuffix(err.Error(), "pip install torch transformers peft") {
			t.Errorf("error %v, want %q and how to get it", err, want)
		}
	}
}

// TestPatience: a peer that says nothing is given up.
func TestPatience(t *testing.T) {
	p, err := launch(nil, stand(t, `echo "a warning" >&2; read q`))
	if err != nil {
		t.Fatal(err)
	}
	err = p.exchange(10*time.Millisecond, func() error {
		_, err := p.out.ReadByte()
		return err
	})
	if err == nil || err.Error() != "no answer within 10ms" {
		t.Errorf("error %v", err)
	}
}
