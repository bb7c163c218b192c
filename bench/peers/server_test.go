package peers

import (
	"errors"
	"strings"
	"testing"
)

// TestServe: questions are answered in turn, and an error is no end.
func TestServe(t *testing.T) {
	var out strings.Builder
	err := Serve(strings.NewReader("{\"do\":\"say\"}\n{\"do\":\"fail\"}\n{\"do\":\"fly\"}\n{\"do\":\"say\"}\n"), &out, map[string]Function{
		"say":  func([]byte) (any, error) { return map[string]int{"n": 3}, nil },
		"fail": func([]byte) (any, error) { return nil, errors.New("no") },
	})
	want := "{\"n\":3}\n{\"error\":\"no\"}\n{\"error\":\"\\\"fly\\\" is not known\"}\n{\"n\":3}\n"
	if err != nil || out.String() != want {
		t.Errorf("%q, %v, want %q", out.String(), err, want)
	}
}

// TestStepsMissing: without Python, the error is the line that tells how to get
// it.
func TestStepsMissing(t *testing.T) {
	_, err := StartSteps(t.TempDir())
	if missing := new(Missing); !errors.As(err, &missing) || !strings.HasSuffix(err.Error(), "pip install torch transformers peft") {
		t.Errorf("error %v", err)
	}
}
