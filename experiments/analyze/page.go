package analyze

import (
	"fmt"
	"io"
	"strings"

	"github.com/lowrank/lowrank/experiments/report"
)

// WritePage writes one HTML file that needs no network: charts and a table for
// each adapter, between adapters and over checkpoints, and the definitions.
func (r *Report) WritePage(w io.Writer) error {
	x := r.index()
	article := report.Article{Title: "Analysis of " + names(r.Adapters), Headline: r.headline(x), Facts: r.facts()}
	for _, a := range r.Adapters {
		article.Sections = append(article.Sections, r.spectra(x, a), r.maps(x, a))
	}
	if len(r.Adapters) > 1 {
		article.Sections = append(article.Sections, r.pairs(x))
	}
	if r.Checkpoints {
		article.Sections = append(article.Sections, r.checkpoints(x))
	}
	article.Sections = append(article.Sections, r.definitions())
	return article.Write(w)
}

func names(adapters []*Adapter) string {
	var list []string
	for _, a := range adapters {
		list = append(list, a.Short)
	}
	if len(list) > 4 {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:3], ", "), len(list)-3)
	}
	return strings.Join(list, ", ")
}

// headline says of each adapter, in one sentence, what its maps are like.
func (r *Report) headline(x index) []string {
	var list []string
	for i, a := range r.Adapters {
		if i == 4 {
			break
		}
		m := func(metric string) string { return text(x.median(a.Name, "", metric)) }
		s := fmt.Sprintf("%s uses an effective rank of %s and needs %s directions for 95 %% of its energy, in the median over its %d maps.", a.Short, m("effective_rank"), m("energy_rank_95"), len(a.Maps))
		if r.Base {
			intruders, undecided := 0.0, 0.0
			for _, module := range a.Maps {
				if v := x.of(a.Name, "", module.Name, "intruders"); v > 0 {
					intruders += v
				}
				if v := x.of(a.Name, "", module.Name, "intruders_undecided"); v > 0 {
					undecided += v
				}
			}
			s += fmt.Sprintf(" Its updates are %s times as large as the weights, and %.0f of the %d leading directions are intruders", m("relative_norm"), intruders, intruderVectors*len(a.Maps))
			if undecided > 0 {
				s += fmt.Sprintf(", %.0f more may be", undecided)
			}
			s += "."
		}
		list = append(list, s)
	}
	return list
}

func (r *Report) facts() []report.Fact {
	var list []report.Fact
	for _, a := range r.Adapters {
		low, high := a.Maps[0].Rank, a.Maps[0].Rank
		for _, m := range a.Maps {
			low, high = min(low, m.Rank), max(high, m.Rank)
		}
		rank := fmt.Sprint(low)
		if high > low {
			rank = fmt.Sprintf("%d to %d", low, high)
		}
		list = append(list, report.Fact{Name: a.Name, Text: fmt.Sprintf("%s, rank %s, %d maps", a.Method, rank, len(a.Maps))})
	}
	if !r.Base {
		list = append(list, report.Fact{Name: "Base", Text: "not given: what needs W0 is left out"})
	}
	for _, n := range r.reasons() {
		list = append(list, report.Fact{Name: "Not measured", Text: n})
	}
	return list
}

// definitions lists what the names mean.
func (r *Report) definitions() report.Section {
	t := report.Table{Columns: []report.Column{{Name: "Metric"}, {Name: "Definition"}, {Name: "Unit"}, {Name: "Range"}, {Name: "Source"}}}
	for _, m := range Metrics() {
		var row []report.Cell
		for _, s := range []string{m.Name, m.Definition, m.Unit, m.Range, m.Source} {
			row = append(row, report.Cell{Text: s})
		}
		t.Rows = append(t.Rows, row)
	}
	return report.Section{Title: "Definitions", Text: []string{"ΔW is W' − W0, without DoRA's gain. Norms without a word are Frobenius norms. A name that ends in _ is followed by a number from 1 on."}, Table: &t}
}
