package loratest

import (
	"testing"

	"github.com/lowrank/lowrank/lora"
)

func TestEveryRowOfTheTable(t *testing.T) {
	for _, m := range lora.Methods() {
		t.Run(m.Name, func(t *testing.T) {
			if err := Check(m); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCompositions(t *testing.T) {
	for _, r := range []lora.Recipe{
		{Delta: "dora", Init: "pissa", Update: "lora-pro", Rank: "adalora"},
		{Delta: "adalora", Init: "olora", Rank: "adalora"},
		{Delta: "rslora", Init: "lora-ga", Update: "lora-plus"},
		{Delta: "vera", Init: "vera", Router: "lora-moe"},
		{Delta: "adalora", Router: "mola"},
		{Delta: "hira", Update: "lora-fa"},
	} {
		m, err := lora.Compose(r)
		if err != nil {
			t.Error(err)
			continue
		}
		t.Run(m.Name, func(t *testing.T) {
			if err := Check(m); err != nil {
				t.Error(err)
			}
		})
	}
}
