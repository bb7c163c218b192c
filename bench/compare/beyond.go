package compare

import "fmt"

// beyond says of a row that falls short how its targets lie to the machine's peak,
// in FLOP/s, if one of them is above it: no kernel reaches that.
func beyond(row *Row, peak float64) string {
	for _, c := range row.Checks {
		if c.OK() || c.Unknown || c.What != xBest && c.What != xOneDNN {
			continue
		}
		if need := 1e9 * row.Rates[0].Rate * c.Want / c.Got; need > peak {
			return fmt.Sprintf("%g%s would be %.0f %% of the peak", c.Want, c.What, 100*need/peak)
		}
	}
	return ""
}
