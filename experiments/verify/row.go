package verify

import (
	"fmt"
	"math"
)

// A Row is one comparison.
type Row struct {
	Folder    string  `json:"folder"`
	Case      string  `json:"case"` // a variant, an adapter, a kind
	Name      string  `json:"name"` // of the tensor, or of what else is compared
	Status    Status  `json:"status"`
	MaxAbs    float64 `json:"max_abs"` // largest difference
	MaxRel    float64 `json:"max_rel"` // largest difference over the size of what is wanted
	Count     int     `json:"count"`   // of the values, or texts, that were compared
	Tolerance string  `json:"tolerance,omitempty"`
	Note      string  `json:"note,omitempty"` // why it failed or is not supported
}

// A Status is the outcome of a row.
type Status string

// The outcomes.
const (
	Pass        Status = "pass"
	Fail        Status = "fail"
	Unsupported Status = "unsupported"
)

// A Tolerance is how far a value may be from the one wanted: Abs + Rel·|wanted|.
type Tolerance struct {
	Abs, Rel float64
	// OfSums: where values above one are wanted, Abs counts in units of the
	// largest, since the rounding of a sum goes by its terms, not by what is left
	// of them.
	OfSums bool
}

func (t Tolerance) String() string {
	switch {
	case t.Abs == 0 && t.Rel == 0:
		return "equal"
	case t.Abs == 0:
		return fmt.Sprintf("rel %.2g", t.Rel)
	case t.Rel == 0:
		return fmt.Sprintf("abs %.2g", t.Abs)
	}
	return fmt.Sprintf("abs %.2g + rel %.2g", t.Abs, t.Rel)
}

// The tolerances of the references, whose own two ways to one result differ by
// up to 2e-6.
var (
	Values = Tolerance{Abs: 1e-5, Rel: 1e-4, OfSums: true} // outputs, gradients, merged weights
	Losses = Tolerance{Rel: 1e-4}                          // of a training trace: Adam makes steps of any gradient, however small and rounded
	Finals = Tolerance{Abs: 2e-4}                          // weights after a training trace
)

// rows collects the rows of one case.
type rows struct {
	folder, name string
	emit         func(Row)
}

func (r *rows) add(row Row) {
	row.Folder, row.Case = r.folder, r.name
	r.emit(row)
}

// near compares got with want entry by entry.
func (r *rows) near(name string, got, want []float32, t Tolerance) {
	if t.OfSums {
		t.Abs *= max(1, largest(want))
	}
	row := Row{Name: name, Status: Pass, Count: len(want), Tolerance: t.String()}
	if len(got) != len(want) {
		row.Status, row.Note = Fail, fmt.Sprintf("%d values, want %d", len(got), len(want))
		r.add(row)
		return
	}
	for i := range got {
		g, w := float64(got[i]), float64(want[i])
		if g == w { // both may be infinite
			continue
		}
		d := math.Abs(g - w)
		if !(d <= t.Abs+t.Rel*math.Abs(w)) && row.Status == Pass { // NaN fails
			row.Status, row.Note = Fail, fmt.Sprintf("at %d: %g, want %g", i, got[i], want[i])
		}
		if math.IsNaN(d) || math.IsInf(d, 0) {
			d = math.MaxFloat64 // JSON has neither
		}
		row.MaxAbs = max(row.MaxAbs, d)
		if w != 0 && !math.IsNaN(w) {
			row.MaxRel = max(row.MaxRel, min(d/math.Abs(w), math.MaxFloat64))
		}
	}
	r.add(row)
}

// largest returns the largest size of a value that is a number.
func largest(x []float32) float64 {
	var most float64
	for _, v := range x {
		if size := math.Abs(float64(v)); size > most && !math.IsInf(size, 0) {
			most = size
		}
	}
	return most
}

// equal says whether two things are the same.
func (r *rows) equal(name string, same bool, format string, args ...any) {
	row := Row{Name: name, Status: Pass, Count: 1, Tolerance: Tolerance{}.String()}
	if !same {
		row.Status, row.Note = Fail, fmt.Sprintf(format, args...)
	}
	r.add(row)
}

// fail reports what could not be compared.
func (r *rows) fail(name string, err error) {
	r.add(Row{Name: name, Status: Fail, Note: err.Error()})
}

// unsupported reports what this code does not do.
func (r *rows) unsupported(name, why string) {
	r.add(Row{Name: name, Status: Unsupported, Note: why})
}
