package experiments

import (
	"context"
	"strings"
	"testing"
)

// Whatever is wrong is one line that says where.
func TestTasksThatCannotBe(t *testing.T) {
	records := dataFile(t, opinions(8)...)
	mixed := textFile(t, "mixed.csv", "text,label\nit is white,good\n,bad\nit is dark,\n")
	for name, c := range map[string]struct {
		model  string
		data   Data
		change func(*Config)
		says   []string
	}{
		"no file":          {"bert", Data{Train: "nowhere.jsonl"}, nil, []string{"data.train", "nowhere.jsonl"}},
		"another kind":     {"bert", Data{Train: textFile(t, "a.json", "[]")}, nil, []string{"data.train", "a.json", ".jsonl, .csv or .parquet"}},
		"a wrong column":   {"bert", Data{Train: records, Label: "lable"}, nil, []string{"data.label", `no column "lable"`, `nearest first: "label"`}},
		"no text":          {"bert", Data{Train: dataFile(t, map[string]any{"txt": "a", "label": 1})}, nil, []string{"data.text", `"txt", "label"`, "looked for text, sentence"}},
		"an unknown label": {"bert", Data{Train: records, Labels: Names{"good", "fair"}}, nil, []string{"data.train", "data.jsonl:", `column "label"`, `is "bad", must be one of good, fair`}},
		"an empty label":   {"bert", Data{Train: mixed, Labels: Names{"good", "bad"}}, nil, []string{"mixed.csv:4", `column "label"`, `is "", must be one of`}},
		"one label":        {"bert", Data{Train: dataFile(t, map[string]any{"text": "a", "label": "x"}, map[string]any{"text": "b", "label": "x"})}, nil, []string{"data.label", "the label x alone"}},
		"no number":        {"bert", Data{Train: records}, func(c *Config) { c.Task = Regression }, []string{"data.jsonl:1", `column "label"`, "must be a finite number"}},
		"a list":           {"bert", Data{Train: records, Text: "topics"}, nil, []string{"data.jsonl:1", `column "topics"`, "is a list, must be text"}},
		"eval's columns":   {"bert", Data{Train: records, Eval: dataFile(t, map[string]any{"text": "a", "lbl": "x"})}, nil, []string{"data.eval", "lbl"}},
		"eval's labels":    {"bert", Data{Train: records, Eval: dataFile(t, map[string]any{"text": "a", "label": "fair"})}, nil, []string{"data.eval", `is "fair"`}},
		"eval's kind":      {"bert", Data{Train: records, Eval: textFile(t, "a.txt", "text")}, nil, []string{"data.eval", "plain text", "a table"}},
		"one record":       {"bert", Data{Train: dataFile(t, map[string]any{"text": "a", "label": "x"}), Labels: Names{"x", "y"}}, nil, []string{"1 example", "data.eval"}},
		"no masked head":   {"bert", Data{Train: records}, func(c *Config) { c.Task = MaskedLM }, []string{"model", "BertModel", `"features"`, "masked-lm"}},
		"a decoder masks":  {"llama", Data{Train: records}, func(c *Config) { c.Task = MaskedLM }, []string{"model", "LlamaForCausalLM", "masked-lm"}},
		"a t5 classifies":  {"t5", Data{Train: records, Label: "label"}, func(c *Config) { c.Task = Classification }, []string{"model", "no classifier"}},
		"a t5 on text":     {"t5", Data{Train: textFile(t, "a.txt", "text")}, nil, []string{"seq2seq needs columns", "plain text"}},
		"images of text":   {"bert", Data{Train: records}, func(c *Config) { c.Task = ImageClassification }, []string{"data.train is a table"}},
		"sizes of images":  {"vit", Data{Train: imageDir(t, 2)}, func(c *Config) { c.Train.GroupByLength = true }, []string{"train.group_by_length", "of one size"}},
		"text of images":   {"vit", Data{Train: imageDir(t, 2)}, func(c *Config) { c.Task = CausalLM }, []string{"data.train is images"}},
		"too many tokens":  {"bert", Data{Train: records}, func(c *Config) { c.Train.Tokens = 65 }, []string{"65 tokens", "max_position_embeddings = 64"}},
		"too few tokens":   {"bert", Data{Train: records, Pair: "second"}, func(c *Config) { c.Train.Tokens = 2 }, []string{"train.tokens is 2"}},
		"targets cut off":  {"llama", Data{Train: records, Text: "prompt", Target: "answer"}, func(c *Config) { c.Train.Tokens = 3 }, []string{"beyond train.tokens = 3"}},
		"empty targets":    {"t5", Data{Train: dataFile(t, map[string]any{"text": "a", "target": ""}, map[string]any{"text": "a", "target": "b"})}, nil, []string{"data.jsonl:1", "empty target"}},
		"a module to save": {"bert", Data{Train: records}, func(c *Config) { c.Save = Names{"clasifier"} }, []string{`"clasifier"`, "classifier"}},
		"a block":          {"bert", Data{Train: records}, func(c *Config) { c.Blocks = Numbers{7} }, []string{"select no linear map"}},
	} {
		t.Run(name, func(t *testing.T) {
			config := taskConfig(t, taskCase{model: c.model, data: func(*testing.T) Data { return c.data }, change: c.change})
			s, err := Open(context.Background(), t.TempDir(), config, tinyPretraining, nil)
			if err == nil {
				_, err = s.Check(config)
			}
			wantOneLine(t, err, c.says...)
		})
	}
	c := taskConfig(t, taskCases[5])
	c.Model = t.TempDir()
	_, err := Open(context.Background(), t.TempDir(), c, tinyPretraining, nil)
	wantOneLine(t, err, "model", "needs config.json and model.safetensors")
}

// What a user reads before training.
func TestFacts(t *testing.T) {
	c := taskConfig(t, taskCases[5])
	c.Train.Tokens = 8
	s := openTask(t, c)
	set, err := s.Check(c)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, f := range s.Facts(set) {
		lines = append(lines, f.Name+": "+f.Text)
	}
	text := strings.Join(lines, "\n")
	for _, want := range []string{"BertModel, ", " parameters", "task: classification, 2 labels: bad, good", "new head: ", "classifier.weight",
		"48 of ", "16 kept aside", `text "text", label "label"`, "8 of train.tokens = 8 in the longest example (a batch is padded to its own longest), ", " truncated",
		"lora on 13 linear maps", "whole: ", "the adapter's file has 0.0"} {
		if !strings.Contains(text, want) {
			t.Errorf("have\n%s\nwant %q in it", text, want)
		}
	}
	_, weights, err := set.Files()
	if err != nil {
		t.Fatal(err)
	}
	if have := fileBytes(set); have > len(weights) || have < len(weights)*3/4 {
		t.Errorf("said %d bytes, the file has %d", have, len(weights))
	}
}

// An adapter on one of two maps that share a tensor changes one of them alone;
// it is said before the training, not first as a refusal to merge.
func TestTiedFact(t *testing.T) {
	for targets, want := range map[string]bool{"lm_head": true, "q": false} {
		c := taskConfig(t, taskCases[10])
		c.Targets = Targets{Names: []string{targets}}
		s := openTask(t, c)
		set, err := s.Check(c)
		if err != nil {
			t.Fatal(err)
		}
		said := false
		for _, f := range s.Facts(set) {
			said = said || f.Name == "tied" && strings.Contains(f.Text, "lm_head and shared are one tensor")
		}
		if said != want {
			t.Errorf("%s: the tie is said: %v, want %v", targets, said, want)
		}
	}
}
