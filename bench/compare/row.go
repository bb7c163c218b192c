package compare

import "math"

// A Check is one figure beside what it should be.
type Check struct {
	What    string  `json:"what"` // what the figure is a multiple of: "× oneDNN"
	Got     float64 `json:"got"`
	Want    float64 `json:"want"`
	AtMost  bool    `json:"at_most,omitempty"` // else at least
	Unknown bool    `json:"unknown,omitempty"` // what it is measured by is not here
}

// OK reports whether the figure is known and as it should be.
func (c Check) OK() bool {
	return !c.Unknown && (c.AtMost && c.Got <= c.Want || !c.AtMost && c.Got >= c.Want)
}

// ratio is the check that got/of is at least want; where one of them was not
// measured, it is unknown.
func ratio(what string, got, of, want float64) Check {
	if !(got > 0 && of > 0) || math.IsInf(got/of, 0) {
		return Check{What: what, Want: want, Unknown: true}
	}
	return Check{What: what, Got: got / of, Want: want}
}

// A Verdict is what a row comes to.
type Verdict string

// The verdicts. Information is the verdict of a row without a target.
const (
	Pass        Verdict = "pass"
	FallsShort  Verdict = "falls short"
	NotKnown    Verdict = "not known" // a peer is missing, or the machine is busy
	Differs     Verdict = "results differ"
	Information Verdict = ""
)

// verdict is pass if all checks hold or, with either, if one does.
func verdict(checks []Check, either bool) Verdict {
	if len(checks) == 0 {
		return Information
	}
	passed, unknown := 0, 0
	for _, c := range checks {
		if c.OK() {
			passed++
		}
		if c.Unknown {
			unknown++
		}
	}
	switch {
	case passed == len(checks), either && passed > 0:
		return Pass
	case !either && passed+unknown < len(checks), unknown == 0:
		return FallsShort
	}
	return NotKnown
}

// Judge sets the verdict to what the checks come to.
func (row *Row) Judge() { row.Verdict = verdict(row.Checks, row.Either) }

// A Rate is what one side reached.
type Rate struct {
	Side    string  `json:"side"`
	Seconds float64 `json:"seconds"`          // median of a run
	Rate    float64 `json:"rate"`             // in the row's unit
	Spread  float64 `json:"spread,omitempty"` // between the quarters of the runs, as a part of the median; 0: not kept
}

// A Row is one piece of work and what it came to.
type Row struct {
	Group     string  `json:"group"`
	Name      string  `json:"name"`
	Level     string  `json:"simd"`
	Threads   int     `json:"threads"`
	Unit      string  `json:"unit,omitempty"`      // of the rates
	Intensity float64 `json:"intensity,omitempty"` // operations a byte
	Rates     []Rate  `json:"rates,omitempty"`
	Checks    []Check `json:"checks,omitempty"`
	Either    bool    `json:"either,omitempty"` // one check is enough
	Verdict   Verdict `json:"verdict"`
	Note      string  `json:"note,omitempty"`
	// Figures are what the checks are made of and the note tells.
	Figures map[string]float64 `json:"figures,omitempty"`

	seconds map[string]float64
}

// The units of rates.
const (
	gflops = "GFLOP/s"
	gbytes = "GB/s"
)

// rated returns a row with the rates of so much work in each side's seconds.
func rated(sides []side, seconds map[string]float64, amount map[string]float64, unit string) *Row {
	row := &Row{Unit: unit, seconds: seconds}
	for _, s := range sides {
		row.Rates = append(row.Rates, Rate{Side: s.name, Seconds: seconds[s.name], Rate: amount[s.name] / seconds[s.name] / 1e9})
	}
	return row
}

// best returns the least seconds among the named sides that were there.
func (row *Row) best(names ...string) float64 {
	least := 0.0
	for _, name := range names {
		if s, ok := row.seconds[name]; ok && (least == 0 || s < least) {
			least = s
		}
	}
	return least
}
