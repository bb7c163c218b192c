package step

// How many steps a schedule of ranks is told that there will be, and the one
// from which on every schedule of the table has begun to prune.
const (
	planned = 1000
	Pruning = planned/10 + 1
)

// Next is the number of the step that comes.
func (t *Training) Next() int { return t.step + 1 }

// SkipTo makes the next step that of a number, for the schedule of ranks: what
// is timed is a step that prunes.
func (t *Training) SkipTo(step int) { t.step = max(t.step, step-1) }
