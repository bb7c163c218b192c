package probe

const (
	noSchedule Undefined = "no schedule of ranks was lent"
)

// active returns the rank of a map's components that are in use.
func (l *layer) active() (int, error) {
	if l.p.Ranks == nil {
		return 0, noSchedule
	}
	return l.p.active[l.index], nil
}

// ofRank makes a metric of the active rank and the one at the start.
func ofRank(name, definition string, of func(now, start int) int) Metric {
	return Metric{
		Name: name, Definition: definition, Source: "arXiv 2303.10512", Unit: "rank", Range: "0, 1, …",
		Gauge: Invariant, Rescaling: Unscaled, Cost: "0", Tier: 1,
		value: func(l *layer) (float64, error) {
			now, err := l.active()
			return float64(of(now, l.m.Rank)), err
		},
	}
}

var (
	rankNow    = ofRank("rank", "active rank of the map, as the schedule has it", func(now, _ int) int { return now })
	rankPruned = ofRank("rank_pruned", "how many components fewer than at the start are active", func(now, start int) int { return max(start-now, 0) })
	rankGrown  = ofRank("rank_grown", "how many components more than at the start are active", func(now, start int) int { return max(now-start, 0) })
)

var totalRank = Metric{
	Name: "total_rank", Definition: "sum of the active ranks", Source: "arXiv 2303.10512", Unit: "rank", Range: "0, 1, …",
	Gauge: Invariant, Rescaling: Unscaled, Cost: "0", Tier: 1,
	model: func(p *Probe) (float64, error) {
		sum := 0
		for _, l := range p.layers {
			r, err := l.active()
			if err != nil {
				return 0, err
			}
			sum += r
		}
		return float64(sum), nil
	},
}
