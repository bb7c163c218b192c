package experiments

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/lowrank/lowrank/experiments/record"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/pretrained"
)

// openExamples reads the examples and the model of a configuration.
func openExamples(c *Config) (*Setting, error) {
	f, err := openFolder(c.Model)
	if err != nil {
		return nil, err
	}
	train, err := readSource("data.train", c.Data.Train)
	if err != nil {
		return nil, err
	}
	o := &opening{config: c, folder: f, train: train}
	if o.task, err = taskOf(c, f, train); err != nil {
		return nil, err
	}
	if o.columns, err = train.columnsOf(o.task, c.Data); err != nil {
		return nil, err
	}
	if o.labels, err = labelsOf(o.task, c.Data, f, train, o.columns.label); err != nil {
		return nil, err
	}
	if err := o.load(); err != nil {
		return nil, err
	}
	if err := o.encode(); err != nil {
		return nil, err
	}
	return o.setting()
}

// An opening is a setting on the way.
type opening struct {
	config  *Config
	folder  *folder
	train   *source
	task    string
	columns columns
	labels  []string

	model    nn.Model
	newHead  []string // tensors of the model that its files have not
	shelf    *shelf
	examples *examples // all of data.train
	eval     *examples // of data.eval; nil: none
}

// load reads the model, with the head that the task needs.
func (o *opening) load() (err error) {
	dir := o.folder.dir
	if task := heads[o.task]; task != "" {
		head := &pretrained.Head{Labels: max(len(o.labels), 1), Task: task, Seed: o.config.Train.Seed}
		o.model, err = o.config.Base.load(dir, head)
		o.newHead = head.New
	} else {
		o.model, err = o.config.Base.load(dir, nil)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("model: %s: needs config.json and model.safetensors: %w", dir, err)
	}
	if err != nil {
		return fmt.Errorf("model: %w", err)
	}
	_, decodes := o.model.(shifter)
	if want, ok := outputs[o.task]; ok && (o.model.Task() != want || decodes != (o.task == Seq2Seq)) {
		return fmt.Errorf("model: %s is %s, whose outputs are of the task %q: task %s needs another", dir, strings.Join(o.folder.Architectures, ", "), o.model.Task(), o.task)
	}
	return nil
}

// A shifter is a model with a decoder, which reads the labels one place later.
type shifter interface {
	ShiftRight(labels []int32, tokens int) []int32
}

// encode makes the examples.
func (o *opening) encode() (err error) {
	s := &shelf{task: o.task}
	if o.task == ImageClassification {
		if o.config.Train.GroupByLength {
			return fmt.Errorf("train.group_by_length: images are all of one size")
		}
		s.pixels, err = o.folder.processor()
	} else {
		s.words, err = o.folder.vocabulary(o.config.Train.Tokens)
	}
	if err != nil {
		return err
	}
	switch o.task {
	case MultiLabel:
		s.values = len(o.labels)
	case Regression:
		s.values = 1
	case Seq2Seq:
		s.shift = o.model.(shifter).ShiftRight
	}
	o.shelf = s
	e := &encoder{task: o.task, words: s.words, labels: o.labels}
	if o.examples, err = o.part(e, "data.train", o.train, o.columns); err != nil {
		return err
	}
	if path := o.config.Data.Eval; path != "" {
		eval, err := readSource("data.eval", path)
		if err != nil {
			return err
		}
		if eval.kind() != o.train.kind() {
			return fmt.Errorf("data.eval: %s is %s, data.train is %s", path, eval.kind(), o.train.kind())
		}
		columns, err := eval.columnsOf(o.task, o.config.Data)
		if err != nil {
			return fmt.Errorf("data.eval: %w", err)
		}
		if (columns.pair < 0) != (o.columns.pair < 0) || (columns.target < 0) != (o.columns.target < 0) {
			return fmt.Errorf("data.eval: %s has other columns than %s", path, o.train.path)
		}
		if o.eval, err = o.part(e, "data.eval", eval, columns); err != nil {
			return err
		}
		s.train, s.held = o.examples.list, o.eval.list
		s.width = max(o.examples.width, o.eval.width)
	} else {
		s.width = o.examples.width
		if s.train, s.held, err = o.examples.apart(o.config.Data.HeldOut); err != nil {
			return err
		}
	}
	byLength(s.held)
	return nil
}

// part makes the examples of a source, and has the model look at them.
func (o *opening) part(e *encoder, field string, s *source, c columns) (*examples, error) {
	x, err := e.encode(s, c)
	if err == nil {
		err = o.shelf.check(o.model, x)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	return x, nil
}

// setting is what has been opened.
func (o *opening) setting() (*Setting, error) {
	s := &Setting{
		Base: o.model, Task: o.task, Labels: o.labels, model: o.config.Model, feed: o.shelf.feed(),
		losses: map[[3]int]record.Eval{}, heads: o.head(), facts: o.facts(),
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s %s %q\n", lora.BaseHash(s.Base, nil), o.task, o.labels)
	for _, list := range [][]example{o.shelf.train, o.shelf.held} {
		fmt.Fprintln(h, len(list))
		if err := hashExamples(h, list); err != nil {
			return nil, err
		}
	}
	s.Fingerprint = hex.EncodeToString(h.Sum(nil))
	return s, nil
}

// headModules are what PEFT trains whole in a classifier of sequences.
var headModules = []string{"classifier", "score"}

// head returns the modules of a classifier's head: PEFT's, and those that the
// other new tensors are in.
func (o *opening) head() []string {
	if !classifies(o.task) {
		return nil
	}
	var modules []string
	for _, p := range o.model.Params() {
		path := p.Path()
		parts := strings.Split(path, ".")
		module := ""
		for _, m := range headModules {
			if slices.ContainsFunc(parts[:len(parts)-1], func(part string) bool { return strings.HasSuffix(part, m) }) {
				module = m
			}
		}
		if module == "" && slices.Contains(o.newHead, p.Name) {
			module = strings.Join(parts[:len(parts)-1], ".")
		}
		if module != "" && !slices.Contains(modules, module) {
			modules = append(modules, module)
		}
	}
	return modules
}
