package probe

import "math"

// A State is what a probe must know so that what it measures goes on as if the
// run had not been cut off: the path so far, the factors before the last step,
// and where the first gradient pointed.
type State struct {
	Numbers map[string]uint64 // the bits of float64
	Tensors map[string][]float32
}

// each calls number and tensor for all that is remembered of a map.
func (l *layer) each(number func(name string, v *float64), steps func(name string, v *int), tensor func(name string, v *[]float32)) {
	number("path", &l.path)
	steps("path_step", &l.pathStep)
	steps("before_step", &l.beforeStep)
	steps("folds", &l.folds)
	tensor("before_a", &l.before.a)
	tensor("before_bt", &l.before.bt)
	tensor("gradient_left", &l.first.left)
	tensor("gradient_right", &l.first.right)
}

// State returns a copy of it.
func (p *Probe) State() State {
	s := State{map[string]uint64{}, map[string][]float32{}}
	for _, l := range p.layers {
		l.each(
			func(name string, v *float64) { s.Numbers[l.m.Name+"/"+name] = math.Float64bits(*v) },
			func(name string, v *int) { s.Numbers[l.m.Name+"/"+name] = uint64(*v) },
			func(name string, v *[]float32) {
				if len(*v) > 0 {
					s.Tensors[l.m.Name+"/"+name] = append([]float32(nil), *v...)
				}
			},
		)
	}
	return s
}

// Restore goes on from a state. What it lacks is as at the start.
func (p *Probe) Restore(s State) {
	for _, l := range p.layers {
		l.each(
			func(name string, v *float64) { *v = math.Float64frombits(s.Numbers[l.m.Name+"/"+name]) },
			func(name string, v *int) { *v = int(s.Numbers[l.m.Name+"/"+name]) },
			func(name string, v *[]float32) { *v = append((*v)[:0], s.Tensors[l.m.Name+"/"+name]...) },
		)
	}
}
