package report

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/lowrank/lowrank/experiments/record"
)

// cell is a table's cell: its text and, for sorting, its value where the text
// is not the order.
type cell struct {
	Text string
	Sort string // a number, or empty
	Link string // an arXiv page, or empty
	Code bool
	Key  int // style of a key before the text, -1 for none
}

// column is a table's head.
type column struct {
	Name    string
	Numeric bool
}

var columns = []column{{"Method", false}, {"Axis", false}, {"Held-out loss", true}, {"Seeds’ range", true}, {"Lowest on the way", true}, {"Best lr", true},
	{"Good range (decades)", true}, {"Gain", true}, {"Forgetting", true}, {"Trained parameters", true}, {"Step (ms)", true}, {"Tokens/s", true}, {"Step’s memory (MB)", true},
	{"Runs", true}, {"Paper", false}, {"Parts", false}, {"Best run again", false}}

// table lists the methods, best first, then those without a result.
func table(methods []*method) [][]cell {
	var out [][]cell
	for _, m := range ranked(methods) {
		out = append(out, m.cells())
	}
	for _, m := range methods {
		if m.best == nil {
			out = append(out, m.cells())
		}
	}
	return out
}

func (m *method) cells() []cell {
	measured := m.runs
	if m.best != nil {
		measured = m.best.finished
	}
	var parameters, step, speed, memory, gain, lost, lowest []float64
	for _, r := range measured {
		parameters = append(parameters, positive(float64(r.Train.TrainedParameters)))
		step = append(step, positive(r.Train.StepMS))
		speed = append(speed, positive(r.Train.TokensPerSecond))
		memory = append(memory, positive(float64(r.Train.GraphBytes)/1e6))
		lowest = append(lowest, evaluated(r, "adapt_best"))
		gain = append(gain, difference(r, "adapt_before", "adapt_after"))
		lost = append(lost, difference(r, "base_after", "base_before"))
	}
	text := func(s string) cell { return cell{Text: s, Key: -1} }
	value := func(v float64, format func(float64) string) cell {
		c := cell{Text: format(v), Key: -1}
		if finite(v) {
			c.Sort = fmt.Sprintf("%g", v)
		}
		return c
	}
	name := text(m.label)
	name.Key = m.style
	best, seeds, range0, again := missing, text("–"), missing, text("–")
	lr := missing
	if m.best != nil {
		best = value(m.best.median, loss)
		lr = value(m.best.lr, lrText)
		if m.edge() != "" {
			lr.Text += " (edge)"
		}
		seeds = value(m.best.high-m.best.low, func(float64) string { return loss(m.best.low) + "–" + loss(m.best.high) })
		if len(m.best.losses) < 2 {
			seeds = text("one seed")
		}
		g := m.good()
		range0 = value(g.decades(), func(v float64) string {
			if g.openLow || g.openHigh {
				return fmt.Sprintf("≥ %.2f", v)
			}
			return fmt.Sprintf("%.2f", v)
		})
		again = text(rerun(m.typical()))
		again.Code = true
	}
	whole := func(v float64) string {
		if !finite(v) {
			return "–"
		}
		return grouped(int64(v))
	}
	return []cell{name, text(m.Axis), best, seeds, value(median(lowest), loss), lr,
		range0, value(median(gain), loss), value(median(lost), loss), value(median(parameters), whole), value(median(step), number), value(median(speed), whole), value(median(memory), number),
		{Text: m.statuses(), Sort: fmt.Sprint(m.count(record.Done)), Key: -1}, paper(m.Method), text(parts(m.Parts)), again}
}

var missing = cell{Text: "–", Key: -1}

// positive is v, or NaN where it was not recorded (0).
func positive(v float64) float64 {
	if v > 0 {
		return v
	}
	return median(nil)
}

// rerun is the command that repeats a run, from the study's folder.
func rerun(r *record.Run) string {
	return "lowrank run --again -o . runs/" + shellWord(r.ID) + "/config.yaml"
}

// shellWord quotes s for a POSIX shell where it needs to be.
func shellWord(s string) string {
	if regexp.MustCompile(`^[A-Za-z0-9_./+=,-]+$`).MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// arxivID is an identifier that may stand in an address.
var arxivID = regexp.MustCompile(`^[0-9]{4}\.[0-9]{4,5}(v[0-9]+)?$`)

func paper(m record.Method) cell {
	c := cell{Text: m.Paper, Key: -1}
	if m.ArXiv != "" {
		c.Text = strings.TrimSpace(c.Text + " arXiv " + m.ArXiv)
	}
	if arxivID.MatchString(m.ArXiv) {
		c.Link = "https://arxiv.org/abs/" + m.ArXiv
	}
	if c.Text == "" {
		c.Text = "–"
	}
	return c
}

// parts writes the parts a method is made of, leaving out those of plain lora
// that say nothing.
func parts(p record.Parts) string {
	var out []string
	for _, part := range [][2]string{{"delta", p.Delta}, {"init", p.Init}, {"update", p.Update}, {"rank", p.Rank}, {"router", p.Router}} {
		if part[1] != "" && part[1] != "none" {
			out = append(out, part[0]+" "+part[1])
		}
	}
	if len(out) == 0 {
		return "–"
	}
	return strings.Join(out, " · ")
}

// statuses counts the runs by how they ended: "10 done, 2 diverged".
func (m *method) statuses() string {
	var out []string
	for _, s := range []record.Status{record.Done, record.Diverged, record.Failed, record.Cancelled, record.Running} {
		if n := m.count(s); n > 0 {
			out = append(out, fmt.Sprintf("%d %s", n, s))
		}
	}
	return strings.Join(out, ", ")
}

// trouble is a row of the list of runs that did not end well.
type trouble struct{ ID, Status, Text string }

func troubles(methods []*method) []trouble {
	var out []trouble
	for _, status := range []record.Status{record.Failed, record.Diverged, record.Cancelled, record.Running} {
		for _, m := range methods {
			for _, r := range m.runs {
				if r.Status != status {
					continue
				}
				t := trouble{r.ID, string(status), r.Error}
				if status == record.Diverged {
					t.Text = strings.TrimSpace(fmt.Sprintf("learning rate %s, seed %d: loss not finite%s. %s", lrText(r.LR), r.Seed, atStep(r.DivergedAt), r.Error))
				}
				if status == record.Running {
					t.Text = "still at work, or cut off"
				}
				out = append(out, t)
			}
		}
	}
	for _, m := range methods {
		for _, r := range m.runs {
			if v, ok := r.Eval["adapt_after"]; r.Status == record.Done && !ok {
				out = append(out, trouble{r.ID, "done", "has no held-out loss (adapt_after); it counts nowhere"})
			} else if r.Status == record.Done && !finite(v) {
				out = append(out, trouble{r.ID, "done", "its held-out loss is not finite; it counts as diverged"})
			}
		}
	}
	return out
}
