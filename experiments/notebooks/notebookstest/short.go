// Package notebookstest runs notebooks in tests.
package notebookstest

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/experiments/notebooks"
)

// Short runs an experiment in its short form, in a folder of its own, and writes the
// notebook of the source. It must print no NaN and each of what it says, and draw so
// many figures. Short returns what was printed and the folder.
func Short(t *testing.T, source string, experiment notebooks.Experiment, figures int, says ...string) (text, dir string) {
	t.Helper()
	var screen, file bytes.Buffer
	nb, err := notebooks.New(source, experiment, &screen)
	if err != nil {
		t.Fatal(err)
	}
	nb.Dir, nb.Short = t.TempDir(), true
	if err := experiment(context.Background(), nb); err != nil {
		t.Fatal(err)
	}
	text = screen.String()
	for _, want := range says {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	if strings.Contains(text, "NaN") {
		t.Error("a number is missing")
	}
	if err := nb.Write(&file); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(file.String(), `"image/svg+xml"`); n != figures {
		t.Errorf("the notebook has %d figures, want %d", n, figures)
	}
	if t.Failed() {
		t.Log(text)
	}
	return text, nb.Dir
}
