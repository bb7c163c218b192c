package compare

import (
	"math"
	"testing"
)

func TestVerdict(t *testing.T) {
	good, bad, unknown := Check{Got: 2, Want: 1}, Check{Got: 0.5, Want: 1}, Check{Want: 1, Unknown: true}
	for _, test := range []struct {
		checks []Check
		either bool
		want   Verdict
	}{
		{nil, false, Information},
		{[]Check{good}, false, Pass},
		{[]Check{good, good}, false, Pass},
		{[]Check{good, bad}, false, FallsShort},
		{[]Check{good, unknown}, false, NotKnown},
		{[]Check{bad, unknown}, false, FallsShort},
		{[]Check{good, bad}, true, Pass},
		{[]Check{bad, bad}, true, FallsShort},
		{[]Check{good, unknown}, true, Pass},
		{[]Check{bad, unknown}, true, NotKnown},
	} {
		if got := verdict(test.checks, test.either); got != test.want {
			t.Errorf("verdict(%v, %t) = %q, want %q", test.checks, test.either, got, test.want)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, test := range []struct {
		c    Check
		ok   bool
		text string
	}{
		{ratio(xOneDNN, 3, 2, 1), true, "1.50× oneDNN"},
		{ratio(xOneDNN, 1, 2, 1), false, "0.50× oneDNN (≥ 1)"},
		{ratio(xOneDNN, 0, 2, 1), false, "? × oneDNN"},
		{ratio(ofPeak, 1, 0, 1), false, "? of peak"},
		{Check{What: ofBase, Got: 1.04, Want: 1.041, AtMost: true}, true, "1.040 of base"},
		{Check{What: "largest difference", Got: 2.34e-7, Want: 1e-4, AtMost: true}, true, "2.3e-07 largest difference"},
		{Check{What: "largest difference", Got: 0.25, Want: 1e-4, AtMost: true}, false, "0.25 largest difference (≤ 0.0001)"},
		{Check{What: ofBase, Got: 1.05, Want: 1.041, AtMost: true}, false, "1.050 of base (≤ 1.041)"},
	} {
		if test.c.OK() != test.ok || test.c.String() != test.text {
			t.Errorf("%+v: %t, %q; want %t, %q", test.c, test.c.OK(), test.c, test.ok, test.text)
		}
	}
}

func TestMeans(t *testing.T) {
	var rows []*Row
	for _, x := range []float64{4, 0.5, 0.5} {
		rows = append(rows, &Row{Name: "cell", Checks: []Check{{What: xBest, Got: x, Want: 1}}, Verdict: verdict([]Check{{Got: x, Want: 1}}, false)})
	}
	got := map[string]*Row{}
	for name, row := range means(rows, 1) {
		got[name] = row
	}
	if c := got["geometric mean"].Checks[0]; math.Abs(c.Got-1) > 1e-12 || c.Want != 1 {
		t.Errorf("geometric mean of 4, ½, ½: %+v", c)
	}
	if row := got["cells that pass"]; math.Abs(row.Checks[0].Got-1./3) > 1e-12 || row.Note != "worst: cell 0.50×, cell 0.50×" {
		t.Errorf("cells that pass: %+v", row)
	}
	for _, row := range means([]*Row{{Checks: []Check{{What: xBest, Unknown: true}}, Verdict: NotKnown}}, 1) {
		if v := verdict(row.Checks, false); v != NotKnown {
			t.Errorf("without peers: %q", v)
		}
	}
}
