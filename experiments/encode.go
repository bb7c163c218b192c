package experiments

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lowrank/lowrank/experiments/data"
	"github.com/lowrank/lowrank/nn"
)

// An encoder makes examples of data.
type encoder struct {
	task   string
	words  *vocabulary // nil for images
	labels []string    // the names of the classes
	class  map[string]int32
}

// maxLabels is how many classes a configuration may come to: a model's file
// has no more.
const maxLabels = 1 << 12

// labelsOf returns the names of a classifier's classes in the order of their
// numbers: those of the configuration; the model's own, where all labels are
// among them; else those that the data have, sorted.
func labelsOf(task string, d Data, f *folder, s *source, column int) ([]string, error) {
	if _, ok := heads[task]; !ok || task == Regression {
		return nil, nil
	}
	if len(d.Labels) > 0 {
		return d.Labels, nil
	}
	var names []string
	if s.images != nil {
		for _, image := range s.images {
			if !slices.Contains(names, image.Class) {
				names = append(names, image.Class)
			}
		}
	} else {
		var err error
		if names, err = s.table.Distinct(column, maxLabels); err != nil {
			return nil, fmt.Errorf("data.label: %w", err)
		}
	}
	own := f.names()
	if len(own) > 0 && !slices.ContainsFunc(names, func(n string) bool { return !slices.Contains(own, n) }) {
		return own, nil
	}
	if len(names) < 2 && task != MultiLabel || len(names) == 0 {
		return nil, fmt.Errorf("data.label: %s has the label %s alone: there is nothing to tell apart", s.path, strings.Join(names, ""))
	}
	return names, nil
}

// encode makes the examples of a source.
func (n *encoder) encode(s *source, c columns) (*examples, error) {
	n.class = map[string]int32{}
	for i, name := range n.labels {
		n.class[name] = int32(i)
	}
	x := &examples{path: s.path}
	var err error
	switch {
	case s.images != nil:
		err = n.images(x, s.images)
	case s.table != nil:
		err = n.records(x, s.table, c)
	case n.task == MaskedLM:
		n.masked(x, s.texts)
	default:
		n.windows(x, s.texts)
	}
	if err == nil && len(x.list) == 0 {
		err = fmt.Errorf("%s: has no tokens to train on", s.path)
	}
	if err == nil && x.unlabeled == len(x.list) {
		err = fmt.Errorf("%s: every target lies beyond train.tokens = %d, behind its prompt", s.path, n.words.most)
	}
	return x, err
}

// windows cuts documents, one behind the other, into windows of tokens and
// those that follow them.
func (n *encoder) windows(x *examples, texts []string) {
	all := n.words.stream(texts, true)
	for at := 0; at+1 < len(all); at += n.words.most {
		ids := all[at:min(at+n.words.most, len(all)-1)]
		x.add(example{ids: ids, labels: all[at+1:][:len(ids)]}, false)
	}
}

// masked cuts documents, one behind the other, into windows that are framed as
// a text is.
func (n *encoder) masked(x *examples, texts []string) {
	w := n.words
	all := w.stream(texts, false)
	room := w.most - len(w.before) - len(w.after)
	for at := 0; at < len(all) && room > 0; at += room {
		inside := all[at:min(at+room, len(all))]
		p := passage{ids: slices.Concat(w.before, inside, w.after)}
		p.special = make([]int, len(p.ids))
		for i := range p.ids {
			if i < len(w.before) || i >= len(w.before)+len(inside) {
				p.special[i] = 1
			}
		}
		x.add(maskable(p), false)
	}
}

// maskable returns the example of a passage any of whose own tokens may be
// hidden: its labels say which.
func maskable(p passage) example {
	e := example{ids: p.ids, types: p.types, labels: slices.Clone(p.ids)}
	for i, special := range p.special {
		if special != 0 {
			e.labels[i] = nn.Ignored
		}
	}
	return e
}

// images makes an example of each.
func (n *encoder) images(x *examples, images []data.Image) error {
	for _, image := range images {
		class, ok := n.class[image.Class]
		if !ok {
			return fmt.Errorf("%s: the class %q is none of %q", image.Path, image.Class, n.labels)
		}
		x.add(example{image: image.Path, labels: []int32{class}}, false)
	}
	return nil
}

// records makes an example of each row of a table.
func (n *encoder) records(x *examples, t *data.Table, c columns) error {
	for row := range t.Rows {
		text, err := t.Text(row, c.text)
		if err != nil {
			return err
		}
		var e example
		var cut bool
		switch {
		case classifies(n.task):
			e, cut, err = n.labelled(t, row, c, text)
		case n.task == MaskedLM:
			p := n.words.encode(text)
			e, cut = maskable(p), p.cut
		case c.target < 0:
			p := n.words.encode(text)
			if !p.cut {
				p.ids = n.words.end(p.ids)
				p.ids = p.ids[:min(len(p.ids), n.words.most)]
			}
			e, cut = example{ids: p.ids, labels: nn.Shift(p.ids, len(p.ids))}, p.cut
		default:
			e, cut, err = n.answered(t, row, c, text)
		}
		if err != nil {
			return err
		}
		if e.line = t.Rows[row].Line; !classifies(n.task) && !slices.ContainsFunc(e.labels, func(l int32) bool { return l >= 0 }) {
			x.unlabeled++
		}
		x.add(e, cut)
	}
	return nil
}

// labelled makes the example of a text, or a pair, and its label.
func (n *encoder) labelled(t *data.Table, row int, c columns, text string) (e example, cut bool, err error) {
	texts := []string{text}
	if c.pair >= 0 {
		second, err := t.Text(row, c.pair)
		if err != nil {
			return e, false, err
		}
		texts = append(texts, second)
	}
	p := n.words.encode(texts...)
	e = example{ids: p.ids, types: p.types}
	if n.task == Regression {
		value, err := t.Real(row, c.label)
		e.values = []float32{value}
		return e, p.cut, err
	}
	names, err := t.Names(row, c.label)
	if err != nil {
		return e, false, err
	}
	if n.task == MultiLabel {
		e.values = make([]float32, len(n.labels))
	} else if len(names) != 1 {
		return e, false, t.At(row, c.label, "has %d labels, must have one: task %s takes several", len(names), MultiLabel)
	}
	for _, name := range names {
		class, ok := n.class[name]
		switch {
		case !ok:
			return e, false, t.At(row, c.label, "is %q, must be one of %s", name, short(n.labels))
		case n.task == MultiLabel:
			e.values[class] = 1
		default:
			e.labels = []int32{class}
		}
	}
	return e, p.cut, nil
}

// answered makes the example of a text and what is to be said to it: behind it,
// or by a decoder.
func (n *encoder) answered(t *data.Table, row int, c columns, text string) (e example, cut bool, err error) {
	target, err := t.Text(row, c.target)
	if err != nil {
		return e, false, err
	}
	if n.task == Seq2Seq {
		p, q := n.words.encode(text), n.words.encode(target)
		return example{ids: p.ids, types: p.types, labels: q.ids}, p.cut || q.cut, nil
	}
	p, from := n.words.follow(text, target)
	labels := nn.Shift(p.ids, len(p.ids))
	for i := range min(from-1, len(labels)) {
		labels[i] = nn.Ignored
	}
	return example{ids: p.ids, labels: labels}, p.cut, nil
}

// short lists names on a line.
func short(names []string) string {
	const most = 12
	list := strings.Join(names[:min(len(names), most)], ", ")
	if len(names) > most {
		list += fmt.Sprintf(" and %d more", len(names)-most)
	}
	return list
}
