package lora

import (
	"fmt"
	"math"
	"regexp"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
)

// A Combination says how the factors of several adapters become those of one.
type Combination string

// The combinations, by PEFT's names, for sets with weights w and scalings s.
const (
	// CombineLinear adds the factors, for sets of equal ranks,
	//
	//	A = Σ ±√|w·s|·A_i    B = Σ √|w·s|·B_i
	//
	// with the sign of w·s: of products B_i·A_j with i ≠ j as well, which makes
	// it a rough approximation of the sum.
	CombineLinear Combination = "linear"
	// CombineCat stacks the factors, [w·s·A_i] and [B_i]: the sum itself, at the
	// sum of the ranks.
	CombineCat Combination = "cat"
	// CombineSVD is the best approximation of the sum of a given rank.
	CombineSVD Combination = "svd"
)

// Combine returns the weighted sum of sets of plain LoRA on one model as one
// set, as add_weighted_adapter of PEFT 0.21 makes it. A map that only some of
// the sets adapt is combined from those. The scaling of the result is 1; its
// rank is that of the sets, the sum of theirs or, for svd, the one given, where
// 0 is the largest of theirs, and never above that of the sum. (PEFT's result
// is scaled by √r where the first adapter is an rsLoRA: a slip, which is not
// followed.)
//
// Of what is trained whole beside the adapters there is no sum: one of the sets
// may have such tensors, and the result has them too.
//
// At most one of the sets may be attached; the result is not: [Set.Attach] puts
// it in, after the other was removed.
func Combine(sets []*Set, weights []float64, how Combination, rank int) (*Set, error) {
	opt, err := combinable(sets, weights, how, rank)
	if err != nil {
		return nil, fmt.Errorf("lora: combine: %w", err)
	}
	terms := map[string][]term{}
	var names []string
	for i, s := range sets {
		for _, m := range s.Maps {
			p, err := productOf(m.Factor("A"), m.Factor("B"))
			if err != nil {
				return nil, fmt.Errorf("lora: combine: set %d: %s: %w", i+1, m.Name, err)
			}
			if terms[m.Name] == nil {
				names = append(names, m.Name)
			}
			terms[m.Name] = append(terms[m.Name], term{i + 1, weights[i] * float64(m.Scaling), p})
		}
	}
	factors := map[string]product{}
	for _, name := range names {
		p, err := how.of(terms[name], rank)
		if err == nil {
			err = p.round()
		}
		if err != nil {
			return nil, fmt.Errorf("lora: combine: %s: %w", name, err)
		}
		factors[name] = p
	}
	s, err := detached(sets, delta.LoRA{}, opt, factors, State{})
	if err != nil {
		return nil, fmt.Errorf("lora: combine: %w", err)
	}
	return s, nil
}

// combinable refuses what has no sum, and returns the options of what the
// result trains whole.
func combinable(sets []*Set, weights []float64, how Combination, rank int) (Options, error) {
	switch {
	case len(sets) == 0 || len(sets) != len(weights):
		return Options{}, fmt.Errorf("%d sets, %d weights: must be one each, and at least one", len(sets), len(weights))
	case how != CombineLinear && how != CombineCat && how != CombineSVD:
		return Options{}, fmt.Errorf("no combination is called %q; there are: %s, %s, %s", how, CombineLinear, CombineCat, CombineSVD)
	case rank < 0 || rank > 0 && how != CombineSVD:
		return Options{}, fmt.Errorf("rank is %d: only %s takes one, of at least 1", rank, CombineSVD)
	}
	opt, with := Options{}, 0
	for i, s := range sets {
		d, plain := s.Method.Delta.(delta.LoRA)
		switch n := i + 1; {
		case math.IsNaN(weights[i]) || math.IsInf(weights[i], 0):
			return opt, fmt.Errorf("weight %d is %v: must be a number", n, weights[i])
		case s.model != sets[0].model:
			return opt, fmt.Errorf("set %d is of another model than set 1", n)
		case s.Method.Router != nil:
			return opt, fmt.Errorf("set %d has %s, which weighs its experts for every token: only plain LoRA can be combined", n, s.Method.say(routerSlot))
		case !plain:
			return opt, fmt.Errorf("set %d has %s: only plain LoRA can be combined: convert it first", n, s.Method.say(deltaSlot))
		case d.Bias:
			return opt, fmt.Errorf("set %d has a bias of its own (lora_bias): only plain LoRA can be combined", n)
		case moved(s):
			return opt, fmt.Errorf("set %d has %s, whose start was taken out of the base: only plain LoRA can be combined: convert it first", n, s.Method.say(initSlot))
		case folded(s):
			return opt, fmt.Errorf("set %d has %s, which changed the base: only plain LoRA can be combined: convert it first", n, s.Method.say(rankSlot))
		case len(s.Wholes) > 0 && with > 0:
			return opt, fmt.Errorf("sets %d and %d both have tensors that are trained whole, such as %s: they have no sum", with, n, s.Wholes[0].Name)
		case len(s.Wholes) > 0:
			opt, with = Options{Save: s.Options.Save, Bias: s.Options.Bias}, n
		}
	}
	return opt, nil
}

// moved reports whether the start of a set has changed the base.
func moved(s *Set) bool {
	for _, m := range s.Maps {
		if m.Edited() {
			return true
		}
	}
	return false
}

// folded reports whether products of a set were put into the base.
func folded(s *Set) bool {
	for _, m := range s.Maps {
		if len(m.Folded()) > 0 || m.Followed() != 0 {
			return true
		}
	}
	return false
}

// A term is s·B·A of one map in one set, with the set's number and its weight
// times the scaling.
type term struct {
	set    int
	weight float64
	product
}

// of combines the terms of one map.
func (how Combination) of(terms []term, rank int) (product, error) {
	if how == CombineLinear {
		return addFactors(terms)
	}
	var all []product
	most := 0
	for _, t := range terms {
		var a mat.Dense
		a.Scale(t.weight, t.a)
		all = append(all, product{t.b, &a})
		most = max(most, t.rank())
	}
	sum := stacked(all...)
	if how == CombineCat {
		return sum, nil
	}
	d, err := sum.decompose()
	if err != nil {
		return product{}, err
	}
	if rank == 0 {
		rank = most
	}
	return leading(d, min(rank, len(d.S))), nil
}

// addFactors is CombineLinear.
func addFactors(terms []term) (product, error) {
	out, in := terms[0].dims()
	rank := terms[0].rank()
	sum := product{mat.NewDense(out, rank, nil), mat.NewDense(rank, in, nil)}
	for _, t := range terms {
		if t.rank() != rank {
			return sum, fmt.Errorf("rank is %d in set %d, %d in set %d: %s needs equal ranks, %s and %s do not",
				rank, terms[0].set, t.rank(), t.set, CombineLinear, CombineCat, CombineSVD)
		}
		root := math.Sqrt(math.Abs(t.weight))
		var a, b mat.Dense
		a.Scale(math.Copysign(root, t.weight), t.a) // on one side only: two signs would cancel
		b.Scale(root, t.b)
		sum.a.Add(sum.a, &a)
		sum.b.Add(sum.b, &b)
	}
	return sum, nil
}

// detached returns a set of plain LoRA that is not attached, on the model of
// the sets, with these factors by the names of their maps and with what the
// sets have trained whole. Its scalings are 1. Of the options those of tensors
// that are trained whole count; state holds what the factors are beside.
func detached(sets []*Set, d delta.LoRA, opt Options, factors map[string]product, state State) (*Set, error) {
	model := sets[0].model
	attached := 0
	for _, s := range sets {
		if s.merged != nil {
			return nil, errMerged
		}
		for _, w := range s.Wholes {
			state[w.Name] = slices.Clone(w.values()) // which Remove takes out of the model
		}
		if s.attached() {
			attached++
			defer s.Attach() // nothing is in its way then
		}
	}
	if attached > 1 {
		return nil, fmt.Errorf("%d of the sets are attached: must be one at most", attached)
	}
	for _, s := range sets {
		if s.attached() {
			s.Remove()
		}
	}

	linears := model.Linears()
	var adapted []*adapter.Map
	for _, l := range linears {
		if l.Adapter != nil {
			return nil, fmt.Errorf("%s has an adapter of another set: remove it first", l.Name)
		}
		p, ok := factors[l.Name]
		if !ok {
			continue
		}
		if within(l.Name, opt.Save) {
			return nil, fmt.Errorf("%s belongs to the modules %q that are saved whole: it takes no adapter", l.Name, opt.Save)
		}
		adapted = append(adapted, &adapter.Map{Linear: l})
		state[l.Name+".A"], state[l.Name+".B"] = narrow(p.a), narrow(p.b)
		opt.Targets = append(opt.Targets, "(?:"+regexp.QuoteMeta(l.Name)+")")
		opt.Rank = max(opt.Rank, p.rank())
	}
	opt.Alpha = float64(opt.Rank)
	opt.RankPattern, opt.AlphaPattern = map[string]int{}, map[string]float64{}
	for name, p := range factors {
		if r := p.rank(); r != opt.Rank {
			key := "^" + regexp.QuoteMeta(name) + "$"
			opt.RankPattern[key], opt.AlphaPattern[key] = r, float64(r)
		}
	}
	wholes, err := opt.wholes(model, adapted)
	if err != nil {
		return nil, err
	}
	for _, w := range wholes { // biases of maps that only the other sets adapt
		if _, ok := state[w.Name]; !ok {
			state[w.Name] = w.base
		}
	}
	opt.State = state

	method, err := plainMethod(d)
	if err != nil {
		return nil, err
	}
	s, err := Inject(model, method, opt)
	if err != nil {
		return nil, err
	}
	s.Remove()
	s.Options.State = nil
	return s, nil
}

// plainMethod returns the row of plain LoRA, with a bias of its own if the
// delta has one.
func plainMethod(d delta.LoRA) (Method, error) {
	r := Recipe{Method: table[plain].Name}
	if d.Bias {
		r.Options = map[string]float64{"bias": 1}
	}
	return Compose(r)
}

// attached reports whether the set is in its model's forward pass.
func (s *Set) attached() bool {
	return len(s.Maps) > 0 && s.Maps[0].Linear.Adapter == s.Maps[0]
}
