package experiments

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/nn/pretrained"
)

// The loss of transformers, on its own inputs.
func TestRecordedClassifier(t *testing.T) {
	dir := "../../shared/fixtures/models/bert_cls"
	model, err := pretrained.Load(dir)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("shared/fixtures is not here: the loss of a recorded classifier is not compared")
	}
	if err != nil {
		t.Fatal(err)
	}
	in, err := pretrained.ReadSafetensors(filepath.Join(dir, "inputs.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	out, err := pretrained.ReadSafetensors(filepath.Join(dir, "base_outputs.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	ints := func(name string) []int64 {
		x, err := in.Ints(name)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	shape, _ := in.Shape("input_ids")
	rows, tokens := shape[0], shape[1]
	s := &shelf{task: Classification, words: &vocabulary{most: tokens, types: true}}
	b := s.open(rows, tokens)
	for row := range rows {
		e := example{labels: []int32{int32(ints("labels")[row])}}
		for i := range tokens {
			if at := row*tokens + i; ints("attention_mask")[at] == 1 {
				e.ids = append(e.ids, int32(ints("input_ids")[at]))
				e.types = append(e.types, int32(ints("token_type_ids")[at]))
			}
		}
		if err := s.put(b, row, &e, nil); err != nil {
			t.Fatal(err)
		}
	}
	g, err := newGraph(model, b, 1)
	if err != nil {
		t.Fatal(err)
	}
	have := forward(t, g) / float64(g.counted(rows))
	loss, err := out.Tensor("loss")
	if err != nil {
		t.Fatal(err)
	}
	if want := float64(loss.Data[0]); math.Abs(have-want) > 1e-5*want {
		t.Errorf("have loss %v, recorded is %v", have, want)
	}
}

// A classifier that is there already keeps its head and the order of its
// classes.
func TestHeadThatIsThere(t *testing.T) {
	c := taskConfig(t, taskCases[slices.IndexFunc(taskCases, func(k taskCase) bool { return k.name == "classes" })])
	s := openTask(t, c)
	dir := filepath.Join(t.TempDir(), "classifier")
	config := strings.Replace(bertConfig("BertForSequenceClassification"), `{`, `{"id2label": {"0": "good", "1": "bad"}, `, 1)
	err := pretrained.Save(func(file string, write func(io.Writer) error) error {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			return err
		}
		return writeBytes(filepath.Join(dir, file), b.Bytes())
	}, json.RawMessage(config), s.Base)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"tokenizer.json", "special_tokens_map.json"} {
		if err := writeBytes(filepath.Join(dir, file), readFile(t, filepath.Join(c.Model, file))); err != nil {
			t.Fatal(err)
		}
	}
	c.Model, c.Train.Seed = dir, 77
	again := openTask(t, c)
	if !slices.Equal(again.Labels, []string{"good", "bad"}) {
		t.Errorf("have labels %q", again.Labels)
	}
	for i, p := range again.Base.Params() {
		if q := s.Base.Params()[i]; p.Name != q.Name || !slices.Equal(p.Floats(), q.Floats()) {
			t.Errorf("%s is another", p.Name)
		}
	}
	c.Data.Labels = Names{"bad", "good"}
	if s := openTask(t, c); !slices.Equal(s.Labels, []string{"bad", "good"}) {
		t.Errorf("have labels %q", s.Labels)
	}
}
