package experiments

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn"
)

// A Fact is a line about what is to be trained.
type Fact struct{ Name, Text string }

// Facts tell what a run in this setting is: the model, the task, the data, and
// what the set, that of [Setting.Check], trains and saves.
func (s *Setting) Facts(set *lora.Set) []Fact {
	facts := append([]Fact(nil), s.facts...)
	total := nn.Parameters(s.Base)
	trained := set.TrainedParameters()
	if text := kept(s.Base); text != "" {
		facts = append(facts, Fact{"base", text})
	}
	facts = append(facts, Fact{"adapters", fmt.Sprintf("%s on %d linear maps", set.Method.Name, len(set.Maps))})
	if a, b := set.Tied(); a != "" {
		facts = append(facts, Fact{"tied", fmt.Sprintf("%s and %s are one tensor: the adapter changes one of them alone, and merges with --untie only", a, b)})
	}
	if len(set.Wholes) > 0 {
		var names []string
		values := 0
		for _, w := range set.Wholes {
			names, values = append(names, w.Path()), values+w.Size()
		}
		facts = append(facts, Fact{"whole", fmt.Sprintf("%s: %s parameters trained as they are, and saved", short(names), grouped(values))})
	}
	return append(facts, Fact{"trained", fmt.Sprintf("%s of %s parameters (%.2f %%); the adapter's file has %.2f MB",
		grouped(trained), grouped(int(total)), 100*float64(trained)/float64(total), float64(fileBytes(set))/1e6)})
}

// kept tells in what a base keeps its weights if that was chosen, else "".
func kept(model nn.Model) string {
	format, bytes, streamed := "float32", 0, false
	for _, p := range model.Params() {
		bytes += p.Values().Bytes()
	}
	for _, l := range model.Linears() {
		streamed = streamed || l.Streamed
		if v := l.W.Values(); v.Stored != nil && l.Kind == nn.Dense && !l.Output {
			format = v.Stored.Format.String()
		}
	}
	if !streamed {
		return ""
	}
	return fmt.Sprintf("linear maps kept as %s, decoded in every product: %.1f MB with all else", format, float64(bytes)/1e6)
}

// fileBytes is about how large the adapter's file will be: its names are left
// out.
func fileBytes(set *lora.Set) int {
	values := 0
	// A start that is taken out of the base is written beside the factors.
	offset := slices.Contains(set.Method.Initial.Needs(), adapter.Additive)
	if d, ok := set.Method.Delta.(adapter.Stored); ok && d.PEFT().OwnStart {
		offset = false
	}
	for _, m := range set.Maps {
		n := 0
		for _, f := range m.Factors {
			n += f.Size()
		}
		if offset {
			n *= 2
		}
		values += n
	}
	for _, w := range set.Wholes {
		values += w.Size()
	}
	return 4 * values
}

// facts tell of the model and the examples.
func (o *opening) facts() []Fact {
	facts := []Fact{
		{"model", fmt.Sprintf("%s: %s, %s parameters", o.folder.dir, strings.Join(o.folder.Architectures, ", "), grouped(int(nn.Parameters(o.model))))},
		{"task", o.task},
	}
	if len(o.labels) > 0 {
		facts[1].Text += fmt.Sprintf(", %d labels: %s", len(o.labels), short(o.labels))
	}
	if len(o.newHead) > 0 {
		facts = append(facts, Fact{"new head", short(o.newHead) + ": not in the model's files, start at random"})
	}
	train, held := len(o.shelf.train), len(o.shelf.held)
	if o.eval == nil {
		facts = append(facts, Fact{"examples", fmt.Sprintf("%d of %s to train on, %d kept aside for evaluation", train, o.examples.path, held)})
	} else {
		facts = append(facts, Fact{"examples", fmt.Sprintf("%d of %s to train on, %d of %s for evaluation", train, o.examples.path, held, o.eval.path)})
	}
	if t := o.train.table; t != nil {
		text := fmt.Sprintf("text %q", t.Columns[o.columns.text])
		for _, c := range []struct {
			name   string
			column int
		}{{"pair", o.columns.pair}, {"label", o.columns.label}, {"target", o.columns.target}} {
			if c.column >= 0 {
				text += fmt.Sprintf(", %s %q", c.name, t.Columns[c.column])
			}
		}
		facts = append(facts, Fact{"columns", text})
	}
	if o.shelf.words == nil {
		return facts
	}
	truncated, unlabeled, longest := o.examples.truncated, o.examples.unlabeled, o.examples.longest
	if o.eval != nil {
		truncated, unlabeled, longest = truncated+o.eval.truncated, unlabeled+o.eval.unlabeled, max(longest, o.eval.longest)
	}
	text := fmt.Sprintf("%d of train.tokens = %d in the longest example (a batch is padded to its own longest), %d truncated", longest, o.shelf.words.most, truncated)
	if unlabeled > 0 {
		text += fmt.Sprintf("; %d count for nothing: no target is left of them", unlabeled)
	}
	return append(facts, Fact{"tokens", text})
}

// grouped writes a number with commas between its thousands.
func grouped(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
