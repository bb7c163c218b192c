package verify

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"unicode/utf8"
)

var printed = []Row{
	{Folder: "a/b_2x3", Case: "lora", Name: "y", Status: Pass, MaxAbs: 1e-7, MaxRel: 2e-5, Count: 6, Tolerance: "abs 1e-05"},
	{Folder: "a/b_2x3", Case: "lora", Name: "dx", Status: Pass, MaxAbs: 3.14159e-6, MaxRel: 1e-6, Count: 6, Tolerance: "abs 1e-05"},
	{Folder: "a/b_2x3", Case: "dora", Name: "y", Status: Pass, Count: 6, Tolerance: "abs 1e-05"},
	{Folder: "a/b_2x3", Case: "dora", Name: "grad.lin.lora_magnitude_vector.default.weight", Status: Fail, MaxAbs: math.MaxFloat64, MaxRel: 0.5, Tolerance: "abs 1e-05", Note: "at 3: NaN, want 1\nand <more>"},
	{Folder: "a/b_2x3", Case: "ia3", Status: Unsupported, Note: strings.Repeat("peft_type is not known ", 9)},
	{Folder: "a/b_2x3", Case: "vera", Name: "init", Status: Unsupported, Note: "d_initial is 1: not supported"},
}

func TestTable(t *testing.T) {
	var b strings.Builder
	table := NewTable(&b, false)
	for i, row := range printed {
		table.Add(row)
		if i == 2 && !strings.Contains(b.String(), "b_2x3/lora") {
			t.Error("a case is not printed before the next is complete")
		}
	}
	if err := table.Close(); err != nil {
		t.Fatal(err)
	}
	want := `STATUS      CASE                             COMPARED                        MAX ABS MAX REL TENSOR OR TOLERANCE
pass        b_2x3/lora                       2 rows                          3.1e-06 2e-05   dx
fail        b_2x3/dora                       grad.lin.lora_magnitude_vector.default.weight ∞ 0.5 abs 1e-05
            at 3: NaN, want 1 and <more>
pass        b_2x3/dora                       y                               0       0
unsupported b_2x3/ia3                        peft_type is not known peft_type is not known peft_type is not known peft_…
unsupported b_2x3/vera                       init
            d_initial is 1: not supported

3 passed, 1 failed, 2 unsupported · cases: 1 passed, 1 failed, 2 unsupported
`
	if b.String() != want {
		t.Errorf("have\n%s\nwant\n%s", b.String(), want)
	}
	for line := range strings.Lines(b.String()) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > tableWidth {
			t.Errorf("%d columns: %s", n, line)
		}
	}

	b.Reset()
	table = NewTable(&b, true)
	for _, row := range printed {
		table.Add(row)
	}
	table.Close()
	if n := strings.Count(b.String(), "pass  "); n != 3 {
		t.Errorf("all rows: %d pass, want 3:\n%s", n, b.String())
	}
}

func TestObject(t *testing.T) {
	var b strings.Builder
	object := NewObject(&b)
	for _, row := range printed {
		object.Add(row)
	}
	if err := object.Close(); err != nil {
		t.Fatal(err)
	}
	var back struct {
		Rows []Row
		Counts
	}
	if err := json.Unmarshal([]byte(b.String()), &back); err != nil {
		t.Fatalf("%v in\n%s", err, b.String())
	}
	if len(back.Rows) != len(printed) || back.Rows[3] != printed[3] || back.Counts != (Counts{3, 1, 2}) {
		t.Errorf("have %+v", back)
	}
}

// full is a writer that has no room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no room") }

func TestPrintErrors(t *testing.T) {
	table, object := NewTable(full{}, true), NewObject(full{})
	for _, row := range printed {
		table.Add(row)
		object.Add(row)
	}
	for _, err := range []error{table.Close(), object.Close()} {
		if err == nil || err.Error() != "no room" {
			t.Errorf("have %v", err)
		}
	}
}

// What is not a number, or too large, fails and can be written as JSON.
func TestNear(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, c := range []struct {
		got, want []float32
		tol       Tolerance
		status    Status
		abs       float64
	}{
		{[]float32{1, 2}, []float32{1, 2}, Tolerance{}, Pass, 0},
		{[]float32{1, 2.001}, []float32{1, 2}, Tolerance{Rel: 1e-3}, Pass, 1e-3},
		{[]float32{1, 2.01}, []float32{1, 2}, Tolerance{Rel: 1e-3}, Fail, 1e-2},
		{[]float32{0.0005, 1000}, []float32{0, 1000}, Tolerance{Abs: 1e-6, OfSums: true}, Pass, 5e-4},
		{[]float32{0.0005, 1000}, []float32{0, 1000}, Tolerance{Abs: 1e-6}, Fail, 5e-4},
		{[]float32{0.001, 1}, []float32{0, 1}, Tolerance{Abs: 1e-6}, Fail, 1e-3},
		{[]float32{nan}, []float32{1}, Values, Fail, math.MaxFloat64},
		{[]float32{1}, []float32{nan}, Values, Fail, math.MaxFloat64},
		{[]float32{inf}, []float32{1}, Values, Fail, math.MaxFloat64},
		{[]float32{inf}, []float32{inf}, Values, Pass, 0},
		{[]float32{1}, []float32{1, 2}, Values, Fail, 0},
	} {
		var row Row
		r := &rows{emit: func(got Row) { row = got }}
		r.near("x", c.got, c.want, c.tol)
		if row.Status != c.status || math.Abs(row.MaxAbs-c.abs) > 1e-6*max(1, c.abs) || (row.Note == "") != (c.status == Pass) {
			t.Errorf("%v for %v within %v: %+v, want %s, %v", c.got, c.want, c.tol, row, c.status, c.abs)
		}
		if _, err := json.Marshal(row); err != nil {
			t.Error(err)
		}
	}
}
