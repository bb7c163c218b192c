package report

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/experiments/record"
)

// write is the page of a study, checked for what must hold for every page.
func write(t *testing.T, s Study) string {
	t.Helper()
	var b bytes.Buffer
	if err := WritePage(&b, s); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	visible := regexp.MustCompile(`(?s)<script>.*</script>`).ReplaceAllString(page, "")
	for _, wrong := range []string{"NaN", "Inf", "%!", "ZgotmplZ", "<nil>"} {
		if i := strings.Index(visible, wrong); i >= 0 {
			t.Errorf("the page says %s: …%s…", wrong, visible[max(0, i-80):min(len(visible), i+40)])
		}
	}
	for _, tag := range []string{"div", "section", "svg", "g", "table", "tr", "td", "th", "details", "p", "ul", "li", "figure", "span", "text"} {
		open := len(regexp.MustCompile(`<`+tag+`[ >]`).FindAllString(visible, -1))
		if shut := strings.Count(visible, "</"+tag+">"); open != shut {
			t.Errorf("%d <%s> and %d </%s>", open, tag, shut, tag)
		}
	}
	return page
}

// TestOffline finds everything in the page that could make a browser ask a
// network: only plain links to arXiv are there, and the policy allows none.
func TestOffline(t *testing.T) {
	page := write(t, synthetic())
	rest := regexp.MustCompile(`<a href="https://arxiv\.org/abs/[0-9.v]+" rel="noreferrer">`).ReplaceAllString(page, "")
	for _, pattern := range []string{`https?:`, `\bsrc\s*=`, `url\(`, `@import`, `//[a-z]+\.[a-z]`, `<(iframe|object|embed|base|form|img|link rel="[^i])`, `fetch\(`, `XMLHttpRequest`} {
		if m := regexp.MustCompile(pattern).FindString(rest); m != "" {
			t.Errorf("the page has %q", m)
		}
	}
	policy := html.UnescapeString(regexp.MustCompile(`Content-Security-Policy" content="([^"]*)"`).FindStringSubmatch(page)[1])
	if !strings.HasPrefix(policy, "default-src 'none';") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %s", policy)
	}
	style := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindStringSubmatch(page)[1]
	script := regexp.MustCompile(`(?s)<script>(.*?)</script>`).FindStringSubmatch(page)[1]
	for _, text := range []string{style, script} {
		if !strings.Contains(policy, "'"+digest(text)+"'") {
			t.Errorf("the policy does not know the text %.40s…", text)
		}
	}
	if strings.Contains(page, " style=") || regexp.MustCompile(`\son[a-z]+=`).MatchString(page) {
		t.Error("an attribute holds style or script, which the policy refuses")
	}
}

func TestPageSizeAndSameBytes(t *testing.T) {
	s := synthetic()
	page := write(t, s)
	if len(page) > 2<<20 { // 15 methods; 25 must stay below 5 MB
		t.Errorf("the page has %d bytes", len(page))
	}
	if write(t, synthetic()) != page {
		t.Error("the same study gives different bytes")
	}
	reversed := synthetic()
	for i, j := 0, len(reversed.Runs)-1; i < j; i, j = i+1, j-1 {
		reversed.Runs[i], reversed.Runs[j] = reversed.Runs[j], reversed.Runs[i]
	}
	if write(t, reversed) != page {
		t.Error("the order of the runs changes the page")
	}
}

func TestPageHasItsParts(t *testing.T) {
	page := write(t, synthetic())
	for _, want := range []string{"Lowest held-out loss: ", "Optimum not bracketed", "lora-xs: optimum not bracketed, its best learning rate 0.03 is the highest of its grid.",
		"Range of good learning rates", "Forgetting against gain", "Effective rank of ΔW", "Alignment", "Spectrum of ΔW", "Rank usage at the end", "Total rank of all adapters",
		"Active rank, adapter by step", "σ₁ of ΔW, adapter by step", "(slope 0.5, correlation ", "Intruder dimensions", "Largest angle of A",
		"Overlap with W0",
		"Router load", "lowrank run --again -o . runs/", "eva: calibration batch 3: no token", "loss not finite at step", "lowrank study --seeds 2", "Example CPU 9000", "180 runs of 15 methods: 175 done, 4 diverged, 1 failed"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// What the search of page.js fades or hides is marked by the name that the table has:
// rows of charts, rows of colours, and the part of a method.
func TestMethodsAreFound(t *testing.T) {
	page := html.UnescapeString(write(t, synthetic()))
	names := regexp.MustCompile(`(?s)<tr><th scope="row"><svg.*?</svg> ([^<]+)</th>`).FindAllStringSubmatch(page, -1)
	if len(names) < 10 {
		t.Fatalf("the table has %d methods", len(names))
	}
	for _, n := range names {
		for _, mark := range []string{`<g class="s" data-n="` + n[1] + `">`, `<details data-n="` + n[1] + `"`} {
			if !strings.Contains(page, mark) {
				t.Errorf("the page lacks %s", mark)
			}
		}
	}
}

func TestEscaping(t *testing.T) {
	evil := `</script><script>alert("1")</script><b onclick='x'>&` + "\x00\xff"
	s := Study{Title: evil, Command: evil, Facts: []Fact{{evil, evil}}, Metrics: func(r *record.Run) ([]record.Metric, error) {
		rows := []record.Metric{{Step: 1, Name: "train_loss", Value: 1}, {Step: 2, Name: "train_loss", Value: 2}}
		for _, name := range []string{"effective_rank", "rank_usage", "sigma_1", "load_1"} {
			rows = append(rows, record.Metric{Step: 1, Layer: evil + ".1." + evil, Name: name, Value: 0.5})
		}
		return rows, nil
	}}
	for i, status := range []record.Status{record.Done, record.Done, record.Failed, record.Diverged} {
		m := record.Method{Name: evil, Paper: evil, ArXiv: evil, Axis: evil, Parts: record.Parts{Delta: evil}}
		if i == 1 {
			m.Name = "lora"
		}
		s.Runs = append(s.Runs, &record.Run{ID: evil, Status: status, Error: evil, Method: m, LR: 1e-3, Machine: record.Machine{CPU: evil},
			Versions: map[string]string{evil: evil}, Eval: record.Eval{"adapt_before": 2, "adapt_after": 1, "base_before": 1, "base_after": 1.5}})
	}
	page := write(t, s)
	if n := strings.Count(page, "<script>"); n != 1 {
		t.Errorf("%d scripts", n)
	}
	if strings.Contains(page, "<b ") || strings.Contains(page, "arxiv.org") {
		t.Error("a name became an element or an address")
	}
	for _, f := range Figures(s) {
		if strings.Contains(f.SVG, "<script") || strings.Contains(f.SVG, "<b ") {
			t.Errorf("figure %s holds a name as an element", f.Name)
		}
	}
}

// TestPoorStudies writes pages of studies that lack what a full one has.
func TestPoorStudies(t *testing.T) {
	run := func(name string, lr float64, seed uint64, status record.Status, after float64) *record.Run {
		return &record.Run{ID: fmt.Sprint(name, lr, seed), Status: status, Method: record.Method{Name: name, Axis: "rank"}, LR: lr, Seed: seed, Eval: record.Eval{"adapt_after": after}}
	}
	nan, inf := math.NaN(), math.Inf(1)
	none := func(*record.Run) ([]record.Metric, error) { return nil, nil }
	for name, c := range map[string]struct {
		study Study
		want  []string
	}{
		"empty":          {Study{}, []string{"No run has finished", "There are no runs."}},
		"nil run":        {Study{Runs: []*record.Run{nil}}, []string{"No run has finished"}},
		"all diverged":   {Study{Runs: []*record.Run{run("lora", 1e-3, 1, record.Diverged, nan), run("lora", 1e-2, 1, record.Diverged, inf)}}, []string{"No run has finished", "lora: no learning rate has a finite median loss."}},
		"all failed":     {Study{Runs: []*record.Run{{Status: record.Failed, Error: "no memory"}}}, []string{"No run has finished", "no memory"}},
		"done with NaN":  {Study{Runs: []*record.Run{run("lora", 1e-3, 1, record.Done, nan)}}, []string{"it counts as diverged"}},
		"done, no loss":  {Study{Runs: []*record.Run{{ID: "x", Status: record.Done, LR: 1e-3}}}, []string{"it counts nowhere"}},
		"one run":        {Study{Runs: []*record.Run{run("lora", 1e-3, 1, record.Done, 1.5)}}, []string{"1.5000 nats per token over 1 seed", "only one learning rate (1e-3) was tried"}},
		"bad rates":      {Study{Runs: []*record.Run{run("lora", 0, 1, record.Done, 1.5), run("lora", nan, 1, record.Done, 1.5), run("lora", -1, 1, record.Done, 1.5)}}, []string{"No run has finished"}},
		"no metrics":     {Study{Runs: []*record.Run{run("lora", 1e-3, 1, record.Done, 1.5)}, Metrics: none}, []string{"has no metrics"}},
		"broken metrics": {Study{Runs: []*record.Run{run("lora", 1e-3, 1, record.Done, 1.5)}, Metrics: func(*record.Run) ([]record.Metric, error) { return nil, errors.New("torn file") }}, []string{"could not be read: torn file"}},
		"metrics not finite": {Study{Runs: []*record.Run{run("lora", 1e-3, 1, record.Done, 1.5)}, Metrics: func(*record.Run) ([]record.Metric, error) {
			var rows []record.Metric
			for _, m := range []string{"train_loss", "effective_rank", "rank_usage", "sigma_1", "relative_update_norm", "load_1", "total_rank"} {
				rows = append(rows, record.Metric{Step: 1, Name: m, Value: nan}, record.Metric{Step: 1, Layer: "q_proj", Name: m, Value: inf}, record.Metric{Step: 2, Layer: "q_proj", Name: m, Value: nan})
			}
			return rows, nil
		}}, []string{": not finite, and left out of the charts"}},
		"one seed each": {Study{Runs: []*record.Run{run("lora", 1e-3, 1, record.Done, 1.5), run("pissa", 1e-3, 1, record.Done, 1.4)}}, []string{"with one seed nothing can be said about chance"}},
		"equal losses":  {Study{Runs: []*record.Run{run("lora", 1e-3, 1, record.Done, 1.5), run("pissa", 1e-3, 1, record.Done, 1.5), run("pissa", 1e-2, 2, record.Done, 1.5)}}, nil},
		"zero losses":   {Study{Runs: []*record.Run{run("lora", 1e-3, 1, record.Done, 0), run("lora", 1e-2, 1, record.Done, 0)}}, nil},
		"huge losses":   {Study{Runs: []*record.Run{run("lora", 1e-3, 1, record.Done, 1e308), run("lora", 1e-2, 1, record.Done, -1e308), run("dora", 1e-2, 1, record.Done, 1)}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			page := write(t, c.study)
			for _, want := range c.want {
				if !strings.Contains(page, want) {
					t.Errorf("the page lacks %q", want)
				}
			}
			Figures(c.study)
		})
	}
}
