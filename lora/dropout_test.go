package lora_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/lora"
)

// What PEFT calls lora_dropout, vera_dropout and so on is read and written, so that a
// training goes on as it was configured; where there is nothing to drop it is let pass,
// as it changes nothing about the trained adapter.
func TestDropoutInFiles(t *testing.T) {
	for _, c := range []struct {
		method, key string
		want        float64
	}{
		{"lora", "lora_dropout", 0.25}, {"dora", "lora_dropout", 0.25}, {"vera", "vera_dropout", 0.25},
		{"mola", "lora_dropout", 0.25}, {"hira", "hira_dropout", 0},
	} {
		m := model(t)
		set, err := lora.Inject(m, row(t, c.method), lora.Options{Rank: 2, Alpha: 4, Dropout: c.want})
		if err != nil {
			t.Errorf("%s: %v", c.method, err)
			continue
		}
		config, _, err := set.Files()
		var fields map[string]any
		if err != nil || json.Unmarshal(config, &fields) != nil || fields[c.key] != c.want {
			t.Errorf("%s: %v, the file has %s %v, want %v", c.method, err, c.key, fields[c.key], c.want)
			continue
		}
		fields[c.key] = 0.25
		config, _ = json.Marshal(fields)
		if _, opt, err := lora.ReadConfig(model(t), config); err != nil || opt.Dropout != c.want {
			t.Errorf("%s: of %s 0.25 there is read %v, want %v; %v", c.method, c.key, opt.Dropout, c.want, err)
		}
	}
}

func TestRefusedDropout(t *testing.T) {
	for _, c := range []struct {
		method string
		p      float64
		says   string
	}{
		{"lora", 1, "must be at least 0 and below 1"},
		{"lora", -0.1, "must be at least 0 and below 1"},
		{"hira", 0.1, "method hira computes its weight whole"},
		{"full", 0.1, "method full computes its weight whole"},
	} {
		_, err := lora.Inject(model(t), row(t, c.method), lora.Options{Rank: 2, Alpha: 4, Dropout: c.p})
		if want := fmt.Sprintf("lora: dropout is %v: %s", c.p, c.says); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s…", c.method, err, want)
		}
	}
}
