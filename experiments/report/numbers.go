package report

import (
	"math"
	"strconv"
	"time"

	"github.com/lowrank/lowrank/experiments/report/chart"
)

// number is v in four significant digits, "–" if it is not finite.
func number(v float64) string { return chart.Number(v) }

// number2 is v in two significant digits.
func number2(v float64) string {
	if !finite(v) || v == 0 {
		return number(v)
	}
	digits := math.Pow(10, 1-math.Floor(math.Log10(math.Abs(v))))
	return number(math.Round(v*digits) / digits)
}

// loss is a loss with four decimals, the precision of the comparisons.
func loss(v float64) string {
	if !finite(v) {
		return "–"
	}
	if math.Abs(v) >= 1e6 {
		return number(v)
	}
	return strconv.FormatFloat(v, 'f', 4, 64)
}

// lrText writes a learning rate.
func lrText(v float64) string {
	if !finite(v) {
		return "–"
	}
	return chart.Rate(v)
}

// grouped writes a count with thin spaces between thousands: 1 234 567.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	start := 0
	if n < 0 {
		start = 1
	}
	for i := len(s) - 3; i > start; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}

// duration writes a time span in the two largest units.
func duration(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d <= 0:
		return "–"
	case d < time.Minute:
		return strconv.Itoa(int(d.Seconds())) + " s"
	case d < time.Hour:
		return strconv.Itoa(int(d.Minutes())) + " min " + strconv.Itoa(int(d.Seconds())%60) + " s"
	}
	return strconv.Itoa(int(d.Hours())) + " h " + strconv.Itoa(int(d.Minutes())%60) + " min"
}
