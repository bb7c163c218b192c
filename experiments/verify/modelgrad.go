package verify

import (
	"errors"
	"fmt"
	"strings"
)

const gradPrefix = "grad."

// gradients goes backward and compares the gradients of the weights that are
// trained.
func (ref *reference) gradients(r *rows, want *record, p *pass, trained func() ([]weight, error)) error {
	if err := p.backward(); err != nil {
		return err
	}
	weights, err := trained()
	if err != nil {
		return err
	}
	compareGradients(r, want, weights)
	return nil
}

// compareGradients compares the gradients with the recorded ones, of which
// there must be one for each. A gradient that is absent counts as zero on
// either side: where a tensor is not reached, some record nothing.
func compareGradients(r *rows, want *record, weights []weight) {
	recorded := map[string]string{}
	for _, name := range want.Names() {
		if of, ok := strings.CutPrefix(name, gradPrefix); ok {
			recorded[plain(of)] = name
		}
	}
	for _, w := range weights {
		grad := w.grad
		if grad == nil {
			grad = make([]float32, len(w.values))
		}
		name, ok := recorded[w.name]
		switch {
		case ok:
			want.near(r, name, grad)
		case len(recorded) > 0 && !zero(grad):
			r.fail(gradPrefix+w.name, errors.New("it is trained here, but no gradient is recorded"))
		}
		delete(recorded, w.name)
	}
	for _, name := range want.Names() { // in order
		if of, ok := strings.CutPrefix(name, gradPrefix); ok && want.left[name] {
			r.fail(name, fmt.Errorf("a gradient is recorded, but there is no trained tensor %s", of))
			delete(want.left, name)
		}
	}
}

func zero(x []float32) bool {
	for _, v := range x {
		if v != 0 {
			return false
		}
	}
	return true
}
