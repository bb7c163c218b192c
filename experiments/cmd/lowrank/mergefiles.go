package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/lowrank/lowrank/experiments/record"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/pretrained"
)

// besides are the files that belong to a model but not to its weights, by the
// names that transformers gives them.
var besides = []string{
	"generation_config.json",
	"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
	"vocab.json", "merges.txt", "vocab.txt", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model",
	"chat_template.jinja", "chat_template.json",
	"preprocessor_config.json", "processor_config.json",
}

// writeMerged writes the files of a model whose base is in a folder, and
// returns their names. The configuration comes last: a folder that has one is
// complete.
func writeMerged(dir, base, adapter string, model nn.Model) (files []string, err error) {
	write := func(name string, contents func(io.Writer) error) {
		if err == nil {
			err = record.WriteFile(filepath.Join(dir, name), contents)
			files = append(files, name)
		}
	}
	if err := os.Remove(filepath.Join(dir, pretrained.ConfigFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	tensors, untied := pretrained.Tensors(model), false
	for _, l := range model.Linears() {
		if l.Tied != nil && l.W != l.Tied.W {
			untied = true
			tensors = append(tensors, pretrained.Tensor{Name: cmp.Or(l.Old, l.Name) + ".weight", Shape: []int{l.Out, l.In}, Data: l.W.Floats()})
		}
	}
	write(pretrained.WeightsFile, func(w io.Writer) error { return pretrained.WriteSafetensors(w, tensors, nil) })
	if missing := copyBesides(base, write); missing != nil {
		return files, missing
	}
	config, bad := configOf(base, adapter)
	if bad == nil {
		config, bad = mergedConfig(config, untied)
	}
	if bad != nil {
		return files, bad
	}
	write(pretrained.ConfigFile, func(w io.Writer) error { _, err := w.Write(config); return err })
	return files, err
}

// copyBesides has the files that belong to a model of a folder, but not to its
// weights, written.
func copyBesides(base string, write func(name string, contents func(io.Writer) error)) error {
	for _, name := range besides {
		f, err := os.Open(filepath.Join(base, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		write(name, func(w io.Writer) error { _, err := io.Copy(w, f); return err })
		f.Close()
	}
	return nil
}

// configOf returns the configuration of a base, with the classifier that an
// adapter brings along, and the names of its labels where a run has left them
// beside the adapter.
func configOf(base, adapter string) ([]byte, error) {
	weights, err := os.ReadFile(filepath.Join(adapter, lora.WeightsFile))
	if err != nil {
		return nil, err
	}
	_, head, err := baseOfAdapter(base, weights)
	if err != nil {
		return nil, err
	}
	if head == nil {
		return os.ReadFile(filepath.Join(base, pretrained.ConfigFile))
	}
	config, err := head.Config(base)
	if err != nil {
		return nil, err
	}
	labels, err := os.ReadFile(filepath.Join(filepath.Dir(filepath.Clean(adapter)), "labels.json"))
	if err != nil {
		return config, nil
	}
	var fields, names map[string]any
	if err := errors.Join(json.Unmarshal(config, &fields), json.Unmarshal(labels, &names)); err != nil {
		return nil, fmt.Errorf("labels.json: %w", err)
	}
	if list, ok := names["id2label"].(map[string]any); ok && len(list) == head.Labels {
		fields["id2label"], fields["label2id"] = names["id2label"], names["label2id"]
	}
	config, err = json.MarshalIndent(fields, "", "  ")
	return append(config, '\n'), err
}

// mergedConfig returns the configuration with what merging has
// changed: the type of the values, by which transformers would round them again,
// and whether the output is tied. In T5 the latter used to say that outputs are
// scaled too.
func mergedConfig(b []byte, untied bool) ([]byte, error) {
	var fields map[string]any
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.UseNumber()
	if err := d.Decode(&fields); err != nil {
		return nil, fmt.Errorf("%s: %w", pretrained.ConfigFile, err)
	}
	changed := untied
	for _, key := range []string{"dtype", "torch_dtype"} {
		if v, ok := fields[key]; ok && v != "float32" {
			fields[key], changed = "float32", true
		}
	}
	if !changed {
		return b, nil
	}
	if untied {
		fields["tie_word_embeddings"] = false
		if _, ok := fields["scale_decoder_outputs"]; !ok && fields["model_type"] == "t5" {
			fields["scale_decoder_outputs"] = true
		}
	}
	b, err := json.MarshalIndent(fields, "", "  ")
	return append(b, '\n'), err
}
