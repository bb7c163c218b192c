package lora_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/lora"
)

// However deep a message comes from, it names the package once, at its beginning, and
// is still the error that it was.
func TestErrorsNameThePackageOnce(t *testing.T) {
	set, err := lora.Inject(model(t), row(t, "lora"), lora.Options{Targets: lora.Targets{"q_proj"}, Rank: 2, Alpha: 4})
	if err != nil {
		t.Fatal(err)
	}
	config, weights, err := set.Files()
	if err != nil {
		t.Fatal(err)
	}
	with := func(key string, value any) []byte {
		var fields map[string]any
		if err := json.Unmarshal(config, &fields); err != nil {
			t.Fatal(err)
		}
		fields[key] = value
		b, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, c := range []struct {
		what string
		err  error
	}{
		{"targets that select nothing", load(t, with("target_modules", []string{"nothing"}), weights)},
		{"a target that is no expression", load(t, with("target_modules", "("), weights)},
		{"a rank that cannot be", load(t, with("r", 1000), weights)},
		{"another rank", load(t, with("r", 3), weights)},
		{"a start that there is none of", load(t, with("init_lora_weights", "nothing"), weights)},
		{"an unknown method", load(t, []byte(`{"peft_type": "LOWRANK", "method": "nothing"}`), weights)},
		{"no configuration", load(t, []byte("{"), weights)},
		{"no weights", load(t, config, nil)},
		{"a part that cannot be", second(lora.Compose(lora.Recipe{Method: "lora-ga", Options: map[string]float64{"gamma": -1}}))},
		{"a start that does not fit", second(lora.Inject(model(t), row(t, "pissa"), lora.Options{Targets: lora.Targets{"q_proj"}, Rank: 1000, Alpha: 1}))},
	} {
		if c.err == nil {
			t.Errorf("%s: no error", c.what)
		} else if s := c.err.Error(); !strings.HasPrefix(s, "lora: ") || strings.Count(s, "lora: ") != 1 {
			t.Errorf("%s: says %q", c.what, s)
		}
	}
	if err := load(t, with("init_lora_weights", "nothing"), weights); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v is no error of something unsupported", err)
	}
}

func load(t *testing.T, config, weights []byte) error {
	t.Helper()
	return second(lora.Load(model(t), config, weights))
}

func second[T any](_ T, err error) error { return err }
