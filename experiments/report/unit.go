package report

// unit is what a study's losses are measured in.
type unit string

const (
	perToken unit = "nats per token"
	perLabel unit = "nats per label"
	squared  unit = "mean squared error"
)

// noun follows the difference of two losses in a sentence.
func (u unit) noun() string {
	if u == squared {
		return ""
	}
	return " nats"
}

// unitOf is the unit of the losses of the methods' runs, which are of one task.
// What else was measured tells it: of a regression the mean square of the
// errors, of a classifier the accuracy, of a language model neither.
func unitOf(methods ...*method) unit {
	for _, m := range methods {
		for _, r := range m.runs {
			if _, ok := r.Eval["mse_before"]; ok {
				return squared
			}
			if _, ok := r.Eval["accuracy_before"]; ok {
				return perLabel
			}
		}
	}
	return perToken
}
