package reference

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/bench/compare"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/pretrained"
)

// toPEFT has PEFT load what we write.
func toPEFT(r *run, g group) error {
	return r.eachCase(g, func(c adapterCase, row *compare.Row, m nn.Model, base []float32) error {
		set, err := c.inject(m)
		if err != nil {
			return err
		}
		disturb(set, c.model+c.name)
		dir := r.folder(g.Name + "/" + row.Name)
		if err := writeAdapter(dir, set); err != nil {
			return err
		}
		got, err := logits(m)
		if err != nil {
			return err
		}
		var theirs struct {
			Logits              []float32
			Missing, Unexpected []string
		}
		if err := r.peer.Ask("read", map[string]any{"model": r.folder(c.model), "folder": dir, "ids": ids()}, &theirs); err != nil {
			return err
		}
		amiss := append(theirs.Missing, theirs.Unexpected...)
		row.Checks = append(agreement(theirs.Logits, got, base),
			compare.Check{What: "tensors amiss", Got: float64(len(amiss)), Want: 0, AtMost: true})
		row.Note = strings.Join(amiss, " ")
		return nil
	})
}

// fromPEFT loads what PEFT writes.
func fromPEFT(r *run, g group) error {
	return r.eachCase(g, func(c adapterCase, row *compare.Row, m nn.Model, base []float32) error {
		dir := r.folder(g.Name + "/" + row.Name)
		config := map[string]any{"r": rank, "lora_alpha": alpha}
		for key, v := range c.peft {
			config[key] = v
		}
		var theirs struct{ Logits []float32 }
		err := r.peer.Ask("write", map[string]any{"model": r.folder(c.model), "config": config, "folder": dir, "ids": ids()}, &theirs)
		if err != nil {
			return err
		}
		if _, err := readAdapter(m, dir); err != nil {
			return err
		}
		got, err := logits(m)
		if err != nil {
			return err
		}
		row.Checks = agreement(got, theirs.Logits, base)
		return nil
	})
}

// eachCase calls body for every case that is wanted, with a fresh model and its
// logits. An error of body is the case's, which falls short.
func (r *run) eachCase(g group, body func(c adapterCase, row *compare.Row, m nn.Model, base []float32) error) error {
	made := false
	for _, c := range cases {
		row := &compare.Row{Name: c.model + ", " + c.name}
		if !r.wanted(g, row.Name) {
			continue
		}
		if !made {
			if err := r.peer.Ask("tiny", map[string]any{"folder": r.dir}, &struct{}{}); err != nil {
				return err
			}
			made = true
		}
		m, err := pretrained.Load(r.folder(c.model))
		if err != nil {
			return err
		}
		base, err := logits(m)
		if err == nil {
			err = body(c, row, m, base)
		}
		if err != nil {
			row.Verdict, row.Note = compare.FallsShort, err.Error()
			r.show(row)
			continue
		}
		r.judged(row)
	}
	return nil
}

// inject adapts a model as the case says.
func (c adapterCase) inject(m nn.Model) (*lora.Set, error) {
	method, err := lora.Compose(c.recipe)
	if err != nil {
		return nil, err
	}
	opt := c.options
	opt.Rank, opt.Alpha, opt.Seed = rank, alpha, 1
	return lora.Inject(m, method, opt)
}

// disturb adds random values to all that is trained: a fresh adapter changes
// nothing, and nothing would be compared.
func disturb(set *lora.Set, name string) {
	hash := fnv.New64a()
	fmt.Fprint(hash, name)
	rng := rand.New(rand.NewPCG(1, hash.Sum64()))
	for _, group := range set.Groups() {
		for _, p := range group.Params {
			for i := range p.Value.Floats() {
				p.Value.Floats()[i] += float32(0.1 * rng.NormFloat64())
			}
		}
	}
}

// ids are two texts for the tiny models.
func ids() [][]int {
	texts := make([][]int, 2)
	for i := range 18 {
		texts[i/9] = append(texts[i/9], 3+(i*37+i*i)%90)
	}
	return texts
}

func logits(m nn.Model) ([]float32, error) {
	out, err := forward(m, batch(ids()))
	if err != nil {
		return nil, err
	}
	return slices.Clone(ag.Floats(out)), nil
}

// agreement checks logits with those wanted, and that the adapter moves them,
// without which it would say nothing.
func agreement(got, want, base []float32) []compare.Check {
	return []compare.Check{
		{What: "of tolerance", Got: ofTolerance(got, want), Want: 1, AtMost: true},
		{What: "logits moved", Got: difference(want, base), Want: 0.05},
	}
}
