package verify

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/rank"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/optim"
)

// A pruningStep is what is recorded of one step of AdaLoRA.
type pruningStep struct {
	Step    int               `json:"step"`
	Total   float64           `json:"loss_total"`
	Task    float64           `json:"loss_task"`
	Budget  []any             `json:"budget"`       // how many components, and whether they are chosen in this step
	Pattern map[string][]bool `json:"rank_pattern"` // which of each map
}

// runPruning compares AdaLoRA on two adapted maps, step by step: losses,
// budget, which components are kept, their values, and the importance of every
// entry. The steps are AdamW's.
func runPruning(r *rows, rec *recording) {
	p := &pruning{rows: r, recording: rec}
	if err := p.open(); err != nil {
		r.refuse("", err)
		return
	}
	c := &nn.Context{Tape: ag.NewTape()}
	task := c.Run(ag.NewMeanSquare(p.two.forward(c), p.two.target))
	terms, weights := []ag.Tensor{task}, []float32{1}
	for _, l := range c.Losses {
		terms, weights = append(terms, l.Value), append(weights, l.Weight)
	}
	total := c.Run(ag.NewSum(weights, terms...))
	o := optim.New(optim.AdamW(trainDecay), p.set.Groups())
	var tasks, totals, wantTasks, wantTotals []float32
	for step, want := range rec.Trace { // PEFT counts from 0
		tasks, wantTasks = append(tasks, ag.Floats(task)[0]), append(wantTasks, float32(want.Task))
		totals, wantTotals = append(totals, ag.Floats(total)[0]), append(wantTotals, float32(want.Total))
		o.ZeroGrad()
		if err := c.Backward(total); err != nil {
			r.fail("losses", err)
			return
		}
		if step == 0 {
			p.gradients()
		}
		before := p.means()
		p.plan.Before(step)
		o.Step(trainRate)
		p.plan.After(step)
		p.after(step, want, before)
		c.Replay()
	}
	r.near("loss_task", tasks, wantTasks, Losses)
	r.near("loss_total", totals, wantTotals, Losses)
	p.verdict("budget", p.budget)
	p.verdict("rank_pattern", p.pattern)
	for _, x := range p.parts {
		if x.trained {
			p.tensors.near(r, p.tensors.first(x.under("final")...), x.Floats(), x.shape, Finals)
		}
	}
	p.tensors[0].rest(r)
}

// pruning is AdaLoRA at work on a recording.
type pruning struct {
	*rows
	*recording
	tensors tensors
	two     *twoLayers
	set     *lora.Set
	parts   []part
	plan    adapter.Plan
	beta1   float64

	budget, pattern []string // what differs
}

func (p *pruning) open() (err error) {
	var c struct {
		TargetR   float64 `json:"target_r"`
		InitR     float64 `json:"init_r"`
		TInit     float64 `json:"tinit"`
		TFinal    float64 `json:"tfinal"`
		DeltaT    int     `json:"deltaT"`
		Beta1     float64 `json:"beta1"`
		Beta2     float64 `json:"beta2"`
		TotalStep int     `json:"total_step"`
	}
	if err := json.Unmarshal(p.Config, &c); err != nil {
		return fmt.Errorf("%s.json: config: %w", p.recording.name, err)
	}
	if p.tensors, err = p.recording.open(tensorsExt); err != nil {
		return err
	}
	if p.two, err = openTwoLayers(p.tensors); err != nil {
		return err
	}
	// The pattern is that of the end; the recording starts with all components.
	method, opt, err := p.method(p.two, "rank_pattern")
	if err != nil {
		return err
	}
	if p.set, p.parts, err = adapted(p.two, method, opt, p.tensors); err != nil {
		return err
	}
	if c.TargetR <= 0 || c.TotalStep <= 0 {
		return fmt.Errorf("%s.json: config: target_r %v and total_step %v make no schedule", p.recording.name, c.TargetR, c.TotalStep)
	}
	steps := float64(c.TotalStep)
	schedule := rank.AdaLoRA{
		Ratio: c.InitR / c.TargetR, Begin: c.TInit / steps, End: c.TFinal / steps,
		Every: c.DeltaT, Beta1: c.Beta1, Beta2: c.Beta2, PostStep: true,
	}
	p.beta1 = c.Beta1
	if p.plan, err = schedule.Plan(p.set.Maps, c.TotalStep, nil); err != nil {
		return nn.Unsupported(err)
	}
	for _, m := range p.set.Maps { // a constant of PEFT's, which our scaling has in it
		name := "param." + m.Name + ".ranknum." + adapterName
		if p.tensors.has(name) {
			p.tensors.near(p.rows, name, []float32{float32(m.Rank)}, []int{1}, Tolerance{})
		}
	}
	return nil
}

// gradients compares those of the first step.
func (p *pruning) gradients() {
	for _, x := range p.parts {
		if x.trained {
			p.tensors.near(p.rows, p.tensors.first(x.under("grad0")...), x.GradFloats(), x.shape, Values)
		}
	}
}

// buffer returns a buffer of the plan.
func (p *pruning) buffer(m *adapter.Map, what string) []float32 {
	for _, b := range p.plan.Buffers() {
		if b.Name == m.Name+"/adalora."+what {
			return b.Values
		}
	}
	return nil
}

// means returns copies of the moving averages of the sensitivity.
func (p *pruning) means() map[string][]float32 {
	copies := map[string][]float32{}
	for _, b := range p.plan.Buffers() {
		if strings.Contains(b.Name, "/adalora.mean.") {
			copies[b.Name] = slices.Clone(b.Values)
		}
	}
	return copies
}

// after compares what is recorded after a step.
func (p *pruning) after(step int, want pruningStep, before map[string][]float32) {
	kept := 0
	for _, n := range p.plan.Ranks() {
		kept += n
	}
	if len(want.Budget) == 2 && want.Budget[1] == true && want.Budget[0] != float64(kept) {
		p.budget = append(p.budget, fmt.Sprintf("step %d: %d components, recorded %v", step, kept, want.Budget[0]))
	}
	for _, m := range p.set.Maps {
		if pattern, ok := want.Pattern[m.Name+".lora_E."+adapterName]; ok {
			var mask []bool
			for _, v := range p.buffer(m, "mask") {
				mask = append(mask, v != 0)
			}
			if !slices.Equal(mask, pattern) {
				p.pattern = append(p.pattern, fmt.Sprintf("step %d: %s keeps %v, recorded %v", step, m.Name, mask, pattern))
			}
		}
	}
	prefix := fmt.Sprintf("step%02d.", step)
	for _, m := range p.set.Maps {
		for _, f := range m.Factors {
			shape := []int{f.Rows(), f.Cols()}
			mean := p.buffer(m, "mean."+f.Name)
			now := make([]float32, len(mean)) // what the average took up in this step
			if old := before[m.Name+"/adalora.mean."+f.Name]; len(old) == len(mean) {
				for i := range now {
					now[i] = float32((float64(mean[i]) - p.beta1*float64(old[i])) / (1 - p.beta1))
				}
			}
			for _, c := range []struct {
				what string
				got  []float32
				tol  Tolerance
			}{
				{"after", f.Floats(), Finals},
				{"ipt", now, importance},
				{"exp_avg_ipt", mean, importance},
				{"exp_avg_unc", p.buffer(m, "uncertainty."+f.Name), importance},
			} {
				if name := prefix + c.what + "." + m.Name + ".lora_" + f.Name + "." + adapterName; p.tensors.has(name) {
					p.tensors.near(p.rows, name, c.got, shape, c.tol)
				}
			}
		}
	}
}

// importance is the tolerance of products of weights and gradients, which agree
// to 1e-6 in values of up to about 0.1.
var importance = Tolerance{Abs: 1e-6, Rel: 1e-2}

// verdict is a row about all steps.
func (p *pruning) verdict(name string, wrong []string) {
	p.equal(name, len(wrong) == 0, "%s", strings.Join(wrong, "; "))
}
