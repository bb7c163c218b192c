package step

// Trained counts the values that a step changes.
func (t *Training) Trained() int {
	n := 0
	for _, g := range t.opt.Groups() {
		for _, p := range g.Params {
			if p.Value.RequiresGrad() {
				n += len(p.Value.Floats())
			}
		}
	}
	return n
}
