package experiments

import (
	"math"
	"slices"

	"github.com/lowrank/lowrank/nn"
)

// A score sums up how a model did in an exam.
type score struct {
	task       nn.Task
	classifier bool    // a row of logits is an example
	loss       float64 // of all labels together
	count      int     // labels

	said, true [][]bool  // of every example, the classes
	x, y       []float64 // of a regression: what was said, and the label
}

// A measure is a named number of a score.
type measure struct {
	name  string
	value float64
}

// add notes what was said of the first rows of a batch.
func (s *score) add(logits []float32, labels nn.Labels, batch, rows int) {
	n := len(logits) / batch
	for row := range rows {
		z := logits[row*n:][:n]
		switch {
		case s.task == nn.Regression:
			s.x, s.y = append(s.x, float64(z[0])), append(s.y, float64(labels.Values[row]))
			continue
		case labels.Values != nil:
			said, is := make([]bool, n), make([]bool, n)
			for i := range n {
				said[i], is[i] = z[i] > 0, labels.Values[row*n+i] > 0.5
			}
			s.said, s.true = append(s.said, said), append(s.true, is)
		default:
			best := 0 // the first of equal ones
			for i := range z {
				if z[i] > z[best] {
					best = i
				}
			}
			said, is := make([]bool, n), make([]bool, n)
			said[best], is[labels.Classes[row]] = true, true
			s.said, s.true = append(s.said, said), append(s.true, is)
		}
	}
}

// mean returns the loss of a label.
func (s *score) mean() float64 { return s.loss / float64(s.count) }

// measures lists the loss and what else is measured in such a task:
//
//	perplexity   of a language model, exp(loss)
//	accuracy     of a classifier, the share of examples all of whose classes are right
//	macro_f1     the mean F1 of the classes that were said or are true
//	mse          of a regression, the mean square of the errors
//	pearson      the correlation of what was said and the labels
func (s *score) measures() []measure {
	list := []measure{{"loss", s.mean()}}
	switch {
	case !s.classifier:
		return append(list, measure{"perplexity", math.Exp(s.mean())})
	case s.task == nn.Regression:
		return append(list, measure{"mse", s.mean()}, measure{"pearson", pearson(s.x, s.y)})
	}
	right := 0
	for i := range s.said {
		if slices.Equal(s.said[i], s.true[i]) {
			right++
		}
	}
	return append(list, measure{"accuracy", float64(right) / float64(len(s.said))}, measure{"macro_f1", s.macroF1()})
}

// macroF1 is the mean over classes of 2·tp / (2·tp + fp + fn).
func (s *score) macroF1() float64 {
	sum, classes := 0.0, 0
	for c := range s.said[0] {
		both, either := 0, 0
		for i := range s.said {
			switch {
			case s.said[i][c] && s.true[i][c]:
				both, either = both+1, either+2
			case s.said[i][c] || s.true[i][c]:
				either++
			}
		}
		if either > 0 {
			classes++
			sum += 2 * float64(both) / float64(either)
		}
	}
	return sum / float64(max(classes, 1))
}

// pearson is the correlation; NaN where either does not vary.
func pearson(x, y []float64) float64 {
	mean := func(v []float64) (m float64) {
		for _, a := range v {
			m += a / float64(len(v))
		}
		return m
	}
	mx, my := mean(x), mean(y)
	var xx, yy, xy float64
	for i := range x {
		xx += (x[i] - mx) * (x[i] - mx)
		yy += (y[i] - my) * (y[i] - my)
		xy += (x[i] - mx) * (y[i] - my)
	}
	return xy / math.Sqrt(xx*yy)
}
