package llama

import (
	"math"

	"github.com/lowrank/lowrank/nn"
)

// A RopeScaling is what changes the angles by which positions turn the pairs of
// a head, θ^(−2i/d) radians a token for pair i, so that a model reaches further
// than it was trained for. The zero value changes nothing.
type RopeScaling struct {
	Type string // "", "linear" or "llama3"
	// Factor divides the frequencies: all of them (linear), or those whose wave
	// is longer than Original/LowFreq tokens, and none whose wave is shorter than
	// Original/HighFreq, smoothly between the two (llama3, arXiv 2407.21783).
	Factor            float64
	LowFreq, HighFreq float64
	Original          int // original_max_position_embeddings
}

// readRope takes the angles of a configuration: rope_parameters since
// transformers 5, rope_theta and rope_scaling until then.
func (c *Config) readRope(f *nn.Fields) {
	const usual = 10000
	c.RopeTheta = f.Positive("rope_theta", usual)
	for _, key := range []string{"rope_scaling", "rope_parameters"} {
		o := f.Object(key)
		if o == nil {
			continue
		}
		c.RopeTheta = o.Positive("rope_theta", c.RopeTheta)
		o.Only("partial_rotary_factor", 1)
		kind := o.String("rope_type", o.String("type", "default"))
		switch kind {
		case "default":
		case "linear", "llama3":
			c.RopeScaling.read(o, kind)
		default:
			o.Refuse("rope_type", ` = %q: must be "default", "linear" or "llama3"`, kind)
		}
		o.Done() // an error is the file's
	}
}

func (s *RopeScaling) read(o *nn.Fields, kind string) {
	s.Type, s.Factor = kind, o.Positive("factor", 0)
	if kind != "llama3" {
		return
	}
	s.LowFreq, s.HighFreq = o.Positive("low_freq_factor", 0), o.Positive("high_freq_factor", 0)
	s.Original = o.Size("original_max_position_embeddings", 0)
	if s.HighFreq <= s.LowFreq {
		o.Fail("high_freq_factor", " = %g: must be above low_freq_factor = %g", s.HighFreq, s.LowFreq)
	}
}

// frequencies returns the radians a token of each pair of a head of width d.
func (s RopeScaling) frequencies(theta float64, d int) []float64 {
	f := make([]float64, d/2)
	for i := range f {
		f[i] = math.Pow(theta, -2*float64(i)/float64(d))
		switch s.Type {
		case "linear":
			f[i] /= s.Factor
		case "llama3":
			waves := float64(s.Original) * f[i] / (2 * math.Pi) // in the original length
			kept := min(max((waves-s.LowFreq)/(s.HighFreq-s.LowFreq), 0), 1)
			f[i] = (1-kept)*f[i]/s.Factor + kept*f[i]
		}
	}
	return f
}
