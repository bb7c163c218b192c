package record

import (
	"math"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// spectra gathers the singular values of each adapter at each step, which stand
// one behind the other in the log, for histograms.
type spectra struct {
	metric Metric // of the first value: its step and adapter
	values []float64
}

// sigmaPrefix starts the names of the singular values of ΔW.
const sigmaPrefix = "sigma_"

// add takes a metric in, and returns the spectrum that it ends, if it ends one.
func (s *spectra) add(m Metric) (ended spectra, ok bool) {
	own := strings.HasPrefix(m.Name, sigmaPrefix) && m.Value >= 0 && m.Value < math.MaxFloat32
	if own && len(s.values) > 0 && m.Step == s.metric.Step && m.Layer == s.metric.Layer {
		s.values = append(s.values, m.Value)
		return spectra{}, false
	}
	ended = *s
	*s = spectra{}
	if own {
		*s = spectra{m, []float64{m.Value}}
	}
	return ended, len(ended.values) > 0
}

// buckets of a histogram.
const buckets = 30

// appendHistogram appends the Event of a spectrum: like that of a scalar, with
// histo, field 5, in the place of simple_value: a HistogramProto of min 1, max 2,
// num 3, sum 4, sum_squares 5, and packed bucket_limit 6 and bucket 7
// (histogram.proto).
func appendHistogram(b []byte, seconds float64, s spectra) []byte {
	low, high := s.values[0], s.values[0]
	var sum, squares float64
	for _, v := range s.values {
		low, high = min(low, v), max(high, v)
		sum, squares = sum+v, squares+v*v
	}
	n := buckets
	if low == high {
		n = 1
	}
	var limits, counts []byte
	count := make([]float64, n)
	for _, v := range s.values {
		i := n - 1
		if high > low {
			i = min(int(float64(n)*(v-low)/(high-low)), n-1)
		}
		count[i]++
	}
	for i, c := range count {
		limit := low + (high-low)*float64(i+1)/float64(n)
		if i == n-1 {
			limit = math.Nextafter(high, math.Inf(1)) // a limit lies above its values
		}
		limits = protowire.AppendFixed64(limits, math.Float64bits(limit))
		counts = protowire.AppendFixed64(counts, math.Float64bits(c))
	}
	var histogram []byte
	for i, v := range []float64{low, high, float64(len(s.values)), sum, squares} {
		histogram = protowire.AppendTag(histogram, protowire.Number(i+1), protowire.Fixed64Type)
		histogram = protowire.AppendFixed64(histogram, math.Float64bits(v))
	}
	histogram = protowire.AppendTag(histogram, 6, protowire.BytesType)
	histogram = protowire.AppendBytes(histogram, limits)
	histogram = protowire.AppendTag(histogram, 7, protowire.BytesType)
	histogram = protowire.AppendBytes(histogram, counts)

	var value []byte
	value = protowire.AppendTag(value, 1, protowire.BytesType)
	value = protowire.AppendString(value, "spectrum/"+s.metric.Layer)
	value = protowire.AppendTag(value, 5, protowire.BytesType)
	value = protowire.AppendBytes(value, histogram)
	return appendSummary(b, seconds, s.metric.Step, value)
}
