package initial

import (
	"fmt"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora/adapter"
)

// Quantized rounds the base to few bits and starts from what that lost: LoftQ
// (arXiv 2310.08659, algorithm 1). From B·A = 0 on, Rounds times,
//
//	Q = q(W0 − s·B·A)    W0 − Q = U·S·Vᵀ    B = U_r·(S_r/s)^½    A = (S_r/s)^½·V_rᵀ
//
// The base becomes Q, and is kept so: 4-bit NormalFloat in blocks of 64 with a float32
// each or, with Double, with the maxima quantized too, as bitsandbytes stores it; with
// Int8 8-bit integers with one float32 a row ([kernels.QuantizeInt8]). The function is
// not that of W0, but nearer to it than that of Q; no decomposition makes the error
// larger, though a rounding may. What is written is right on Q alone: states have Q with
// them, and files where reading cannot make it anew.
//
// PEFT leaves out the 1/s, so that the error shrinks at s = 1 alone, and has one
// round, unless its loftq_iter says more, where the paper has five. Its bitsandbytes
// rounds to float16 before it rounds to 8 bits, so that its Q there is another one
// by up to a level; with PEFT so is ours.
type Quantized struct {
	Rounds int
	Double bool
	Int8   bool
	PEFT   bool
}

func (Quantized) Needs() []adapter.Capability {
	return []adapter.Capability{adapter.Pair, adapter.Additive, adapter.Static}
}

func (Quantized) Provides() []adapter.Capability {
	return []adapter.Capability{adapter.Moved, adapter.Filled}
}

// Check refuses a number of rounds that cannot be, and formats that exclude each
// other.
func (q Quantized) Check() error {
	if q.Double && q.Int8 {
		return fmt.Errorf("initial: double and int8 are both set: the scales of 8-bit integers are not quantized")
	}
	if q.Rounds < 1 || q.Rounds > 1000 {
		return fmt.Errorf("initial: rounds is %d: must be in 1..1000", q.Rounds)
	}
	return nil
}

// FromPEFT returns the start of a loftq_config of 4 or 8 bits.
func (Quantized) FromPEFT(start any, config map[string]any) (adapter.Initializer, bool) {
	c, _ := config["loftq_config"].(map[string]any)
	q := Quantized{Rounds: 1, PEFT: true}
	if rounds, ok := c["loftq_iter"].(float64); ok {
		q.Rounds = int(min(max(rounds, 0), 1e6))
	}
	bits, ok := c["loftq_bits"].(float64)
	q.Int8 = bits == 8
	return q, start == "loftq" && (bits == 4 || bits == 8 || !ok && c["loftq_bits"] == nil) && q.Check() == nil
}

// Stored returns the keys by which PEFT makes the same base again: that of one
// round, which no decomposition has a part in.
func (q Quantized) Stored() (map[string]any, bool) {
	bits := 4
	if q.Int8 {
		bits = 8
	}
	return map[string]any{
		"init_lora_weights": "loftq", "loftq_config": map[string]any{"loftq_bits": bits, "loftq_iter": 1},
	}, q.Rounds == 1 && !q.Double && (q.PEFT || !q.Int8)
}

// Fits refuses a rank that the weight cannot have.
func (Quantized) Fits(m *adapter.Map) error { return within(m, m.Rank, "rank") }

func (q Quantized) Init(maps []*adapter.Map, in adapter.Inputs) error {
	for _, m := range maps {
		if err := q.Fits(m); err != nil {
			return err
		}
		by := float64(m.Scaling)
		if q.PEFT {
			by = 1
		}
		w, base := m.W0(), ag.Values{}
		lost := make([]float32, len(w))
		for range q.Rounds {
			ba := ag.Floats(ag.NewTape().Run(ag.NewProduct(m.Factor("B"), m.Factor("A"), float32(by))))
			for i, v := range w {
				lost[i] = v - ba[i]
			}
			var err error
			if base.Stored, err = q.quantize(m.Out, m.In, lost); err != nil {
				return fmt.Errorf("initial: %s: the weight: %w", m.Name, err)
			}
			base.Decode(lost, 0)
			for i, v := range w {
				lost[i] = v - lost[i]
			}
			t, err := triplets(lost, m.Out, m.In, m.Rank, 0, stream(in, m, "SVD"))
			if err != nil {
				return fmt.Errorf("initial: %s: the weight: %w", m.Name, err)
			}
			t.balance(m, 0, by)
		}
		m.Replace(base)
	}
	return nil
}

// quantize returns w, out×in, which it may change, in few bits.
func (q Quantized) quantize(out, in int, w []float32) (*kernels.Stored, error) {
	switch {
	case q.Int8:
		if q.PEFT {
			half := make([]uint16, len(w))
			kernels.EncodeF16(half, w)
			kernels.DecodeF16(w, half)
		}
		return kernels.Quantize(kernels.Int8, out, in, w)
	case q.Double:
		return kernels.Quantize(kernels.NF4, out, in, w)
	}
	once, err := kernels.QuantizeNF4Once(out, in, w, in)
	return &kernels.Stored{Format: kernels.NF4, Rows: out, Cols: in, NF4: once}, err
}
