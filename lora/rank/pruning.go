package rank

import (
	"slices"

	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/nn/optim"
)

// pruning is AdaLoRA at work.
type pruning struct {
	AdaLoRA
	maps          []*components
	begin, end    int // steps: no pruning up to begin, frozen from end on
	total, target int // budget at the start and at the end
	ranking       []scored

	observing, scoring func(i int) // of a map, bound once
}

// scored is a component and its importance.
type scored struct {
	in    *components
	k     int
	score float64
}

func (p *pruning) Before(step int) {
	if !p.PostStep && step <= p.end {
		p.observe()
	}
}

func (p *pruning) After(step int) {
	if p.PostStep && step < p.end {
		p.observe()
	}
	if step > p.begin && (step < p.end && step%p.Every == 0 || step == p.end) {
		p.choose(p.budget(step))
	} else if step < p.end {
		return // between two masks what was pruned may grow again
	}
	for _, c := range p.maps {
		c.prune()
	}
}

func (p *pruning) observe() { kernels.Parallel(len(p.maps), p.observing) }

// budget returns the number of components in use after a step.
func (p *pruning) budget(step int) int {
	switch {
	case step <= p.begin:
		return p.total
	case step >= p.end:
		return p.target
	}
	left := 1 - float64(step-p.begin)/float64(p.end-p.begin)
	return int(float64(p.total-p.target)*left*left*left + float64(p.target))
}

// choose keeps the budget's number of components, the most important ones of
// all maps. Of equals the first map's first component stays.
func (p *pruning) choose(budget int) {
	p.ranking = p.ranking[:0]
	kernels.Parallel(len(p.maps), p.scoring)
	for _, c := range p.maps {
		for k, score := range c.scores {
			p.ranking = append(p.ranking, scored{c, k, score})
		}
	}
	slices.SortStableFunc(p.ranking, func(a, b scored) int {
		switch {
		case a.score > b.score:
			return -1
		case a.score < b.score:
			return 1
		}
		return 0
	})
	for i, s := range p.ranking {
		s.in.mask[s.k] = 0
		if i < budget {
			s.in.mask[s.k] = 1
		}
	}
}

// Phase returns 1: what was pruned is not begun anew.
func (p *pruning) Phase(int) int { return 1 }

// Ranks returns how many components of each map the last mask kept.
func (p *pruning) Ranks() []int {
	ranks := make([]int, len(p.maps))
	for i, c := range p.maps {
		for _, v := range c.mask {
			if v != 0 {
				ranks[i]++
			}
		}
	}
	return ranks
}

func (p *pruning) Buffers() []optim.Buffer {
	var all []optim.Buffer
	for _, c := range p.maps {
		all = append(all, c.buffers()...)
	}
	return all
}
