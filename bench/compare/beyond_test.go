package compare

import "testing"

func TestBeyond(t *testing.T) {
	row := func(rate, got, want float64) *Row {
		return &Row{Rates: []Rate{{Side: oursName, Rate: rate}}, Checks: []Check{{What: ofPeak, Got: 0.5, Want: 0.9}, {What: xBest, Got: got, Want: want}}}
	}
	for _, c := range []struct {
		row  *Row
		want string
	}{
		{row(90, 0.9, 1.3), "1.3× best peer would be 130 % of the peak"}, // the peer is at 100 of 100
		{row(60, 0.9, 1.3), ""},
		{row(90, 1.3, 1.3), ""}, // it passes
	} {
		if got := beyond(c.row, 100e9); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
