package geometry

import "math"

// Movement returns by how much the rows of a weight, in long, have changed in
// length and in direction: the means over the rows of |‖w'‖ − ‖w‖| and of
// 1 − cos(w', w) (arXiv 2402.09353, section 3.2; rows, as in PEFT, where the paper
// says columns of its transposed weight). Rows of zeros, which have no direction,
// do not count; both are NaN where there are no others.
func Movement(before, after []float32, in int) (magnitude, direction float64) {
	rows := 0.0
	for at := 0; at < len(before); at += in {
		var was, now, inner float64
		for j, v := range after[at : at+in] {
			a, b := float64(before[at+j]), float64(v)
			was, now, inner = was+a*a, now+b*b, inner+a*b
		}
		if was == 0 || now == 0 {
			continue
		}
		rows++
		magnitude += math.Abs(math.Sqrt(now) - math.Sqrt(was))
		direction += 1 - min(inner/math.Sqrt(was*now), 1)
	}
	return magnitude / rows, direction / rows
}
