package experiments

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/lowrank/lowrank/experiments/record"
	"github.com/lowrank/lowrank/lora"
)

// labelsFile, in the folder of a classifier's run, tells the numbers of its
// classes.
const labelsFile = "labels.json"

// A Labels is labels.json, by the names that config.json has for it.
type Labels struct {
	Task     string            `json:"task"`
	ID2Label map[string]string `json:"id2label"`
	Label2ID map[string]int    `json:"label2id"`
}

// writeAdapter writes the trained adapter, and what its outputs mean.
func (t *training) writeAdapter() error {
	config, weights, err := t.set.Files()
	if err != nil {
		return err
	}
	if config, err = t.Setting.named(config); err != nil {
		return err
	}
	t.rec.Train.AdapterBytes = int64(len(weights))
	for name, contents := range map[string][]byte{lora.ConfigFile: config, lora.WeightsFile: weights} {
		if err := writeBytes(filepath.Join(t.Dir, "adapter", name), contents); err != nil {
			return err
		}
	}
	if len(t.Setting.Labels) == 0 {
		return nil
	}
	labels := Labels{Task: t.Setting.Task, ID2Label: map[string]string{}, Label2ID: map[string]int{}}
	for i, name := range t.Setting.Labels {
		labels.ID2Label[strconv.Itoa(i)], labels.Label2ID[name] = name, i
	}
	return record.WriteJSON(filepath.Join(t.Dir, labelsFile), labels)
}

// named returns an adapter_config.json with the names of the model and of the
// task, which the adapters themselves do not know.
func (s *Setting) named(config []byte) ([]byte, error) {
	if s.model == "" {
		return config, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(config, &fields); err != nil {
		return nil, fmt.Errorf("%s: %w", lora.ConfigFile, err)
	}
	set := func(key, value string) (err error) {
		if value != "" {
			fields[key], err = json.Marshal(value)
		}
		return err
	}
	if err := set("base_model_name_or_path", s.model); err != nil {
		return nil, err
	}
	if err := set("task_type", peftTypes[s.Task]); err != nil {
		return nil, err
	}
	config, err := json.MarshalIndent(fields, "", "  ")
	return append(config, '\n'), err
}
