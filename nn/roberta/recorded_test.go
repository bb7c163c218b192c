package roberta_test

import (
	"encoding/json"
	"testing"

	"github.com/lowrank/lowrank/nn/nntest/berttest"
	"github.com/lowrank/lowrank/nn/roberta"
)

func build(t *testing.T, config []byte, weights berttest.File) *roberta.Model {
	t.Helper()
	var cfg roberta.Config
	if err := json.Unmarshal(config, &cfg); err != nil {
		t.Fatal(err)
	}
	m, err := roberta.Build(cfg, weights.Source("roberta."))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestRecorded(t *testing.T) { berttest.CheckRecorded(t, build) }

// TestFixture is TestRecorded of a larger model, recorded elsewhere.
func TestFixture(t *testing.T) {
	berttest.CheckFixture(t, "../../../shared/fixtures/models/roberta_cls", build)
}
