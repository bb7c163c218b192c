package pretrained

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"path/filepath"
	"strings"

	"github.com/lowrank/lowrank/nn"
)

// A Head is a classifier that a model is to have, whatever its files have.
type Head struct {
	Labels int
	Task   nn.Task // Classification, MultiLabel or Regression
	Seed   uint64  // of the values of a new one
	// New are the tensors that the files have not, and that therefore start at
	// random: normal with deviation 0.02, biases at zero.
	New []string
}

// LoadWith is [Load] for a model that is to classify sequences, or images. What
// the files have of another head is left out, and what they lack of this one
// starts at random; h.New names it afterwards.
func LoadWith(dir string, h *Head) (nn.Model, error) {
	config, f, err := readConfig(dir)
	if err != nil {
		return nil, err
	}
	if config, err = h.rewritten(dir, config, f); err != nil {
		return nil, err
	}
	l := &loader{head: h}
	return load(dir, f, config, l, l)
}

// rewritten returns the folder's configuration as that of the model with the head,
// of which nothing is new yet.
func (h *Head) rewritten(dir string, config []byte, f family) ([]byte, error) {
	config, err := h.rewrite(config, f)
	if err != nil {
		return nil, fmt.Errorf("pretrained: %s: %w", filepath.Join(dir, ConfigFile), err)
	}
	h.New = nil
	return config, nil
}

// Config returns the config.json of a folder as that of a model with the head.
func (h *Head) Config(dir string) ([]byte, error) {
	config, f, err := readConfig(dir)
	if err != nil {
		return nil, err
	}
	if config, err = h.rewrite(config, f); err != nil {
		return nil, fmt.Errorf("pretrained: %s: %w", filepath.Join(dir, ConfigFile), err)
	}
	return config, nil
}

// problemTypes are the names that transformers has for the tasks.
var problemTypes = map[nn.Task]string{
	nn.Classification: "single_label_classification",
	nn.MultiLabel:     "multi_label_classification",
	nn.Regression:     "regression",
}

// rewrite returns the configuration of the model with the head.
func (h *Head) rewrite(config []byte, f family) ([]byte, error) {
	problem, ok := problemTypes[h.Task]
	switch {
	case f.class == "":
		return nil, nn.Unsupported(fmt.Errorf("a model of this type has no classifier"))
	case !ok:
		return nil, fmt.Errorf("a head for the task %q: must be one of a classifier", h.Task)
	}
	var fields map[string]any
	if err := json.Unmarshal(config, &fields); err != nil {
		return nil, err
	}
	kind := "ForSequenceClassification"
	if f.class == "ViT" {
		kind = "ForImageClassification"
	}
	delete(fields, "id2label")
	delete(fields, "label2id")
	fields["architectures"] = []string{f.class + kind}
	fields["num_labels"], fields["problem_type"] = h.Labels, problem
	return json.Marshal(fields)
}

// ofHead reports whether a tensor belongs to what stands on a model, of whatever
// task.
func ofHead(name string) bool {
	for _, part := range []string{"classifier", "pre_classifier", "score", "lm_head", "cls", "qa_outputs", "vocab_transform", "vocab_layer_norm", "vocab_projector", "pooler"} {
		if strings.HasPrefix(name, part+".") || strings.Contains(name, "."+part+".") {
			return true
		}
	}
	return false
}

// fresh returns the first values of a tensor, and notes its name.
func (h *Head) fresh(name string, shape []int) []float32 {
	h.New = append(h.New, name)
	n := 1
	for _, d := range shape {
		n *= d
	}
	x := make([]float32, n)
	if strings.HasSuffix(name, ".bias") {
		return x
	}
	const deviation = 0.02 // initializer_range of all these models
	hash := fnv.New64a()
	hash.Write([]byte(name))
	rng := rand.New(rand.NewPCG(h.Seed, hash.Sum64()))
	for i := range x {
		x[i] = float32(deviation * rng.NormFloat64())
	}
	return x
}
