package pretrained

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/nn"
)

// A weight in NF4 stands in a checkpoint as bitsandbytes saves it: its codes under
// its name, and beside them tensors by these ends of it, of which the last is JSON.
const (
	absmaxEnd = ".absmax"
	mapEnd    = ".quant_map"
	scaleEnd  = ".nested_absmax"
	scalesEnd = ".nested_quant_map"
	stateEnd  = ".quant_state.bitsandbytes__nf4"
)

// The sizes of blocks that the kernels know.
const (
	nf4Block = 64
	nf4Group = 256
)

// A state is what bitsandbytes keeps of a weight that is no tensor.
type state struct {
	Type      string  `json:"quant_type"`
	Block     int     `json:"blocksize"`
	DType     string  `json:"dtype"`
	Shape     []int   `json:"shape"`
	Group     int     `json:"nested_blocksize"`
	GroupType string  `json:"nested_dtype"`
	Offset    float64 `json:"nested_offset"`
}

// NF4 returns a weight that is kept in 4-bit NormalFloat with double quantization,
// in the memory of the file where that can be, or nil for another tensor.
func (c *Checkpoint) NF4(name string) (*kernels.Stored, error) {
	s, err := c.nf4(name)
	if err != nil {
		return nil, fmt.Errorf("pretrained: %s: tensor %q in NF4: %w", c.File(name), name, err)
	}
	return s, nil
}

func (c *Checkpoint) nf4(name string) (*kernels.Stored, error) {
	if _, ok := c.Shape(name + stateEnd); !ok {
		return nil, nil
	}
	_, text, err := c.Raw(name + stateEnd)
	if err != nil {
		return nil, err
	}
	var s state
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("its quant_state: %w", err)
	}
	const most = 1 << 30
	switch {
	case len(s.Shape) != 2 || s.Shape[0] < 1 || s.Shape[1] < 1 || s.Shape[0] > most || s.Shape[1] > most:
		return nil, fmt.Errorf("its quant_state has the shape %v: must be out×in", s.Shape)
	case s.Type != "nf4" || s.Block != nf4Block || s.Group != nf4Group:
		return nil, nn.Unsupported(fmt.Errorf("%s in blocks of %d, their scales in blocks of %d: must be nf4 in blocks of %d, double quantization in blocks of %d", s.Type, s.Block, s.Group, nf4Block, nf4Group))
	}
	n := s.Shape[0] * s.Shape[1]
	blocks := (n + nf4Block - 1) / nf4Block
	w := &kernels.NF4Weight{Rows: s.Shape[0], Cols: s.Shape[1], Offset: float32(s.Offset)}
	bytes := func(end string, n int) (b []byte) {
		if err == nil {
			b, err = c.numbers(name+end, "U8", n)
		}
		return b
	}
	floats := func(end string, n int) (x []float32) {
		if err != nil {
			return nil
		}
		var b []byte
		if b, err = c.numbers(name+end, "F32", 4*n); err != nil {
			return nil
		}
		x, ok := alias[float32](b)
		if !ok {
			x = make([]float32, n)
			setValues(x, b)
		}
		return x
	}
	w.Codes, w.Absmax = bytes("", (n+1)/2), bytes(absmaxEnd, blocks)
	w.Map, w.Scale = floats(scalesEnd, 256), floats(scaleEnd, (blocks+nf4Group-1)/nf4Group)
	if code := floats(mapEnd, 16); err == nil && !slices.Equal(code, kernels.NF4Numbers()) {
		err = nn.Unsupported(fmt.Errorf("its quant_map is %v: must be that of the paper", code))
	}
	if err != nil {
		return nil, err
	}
	return &kernels.Stored{Format: kernels.NF4, Rows: w.Rows, Cols: w.Cols, NF4: w}, nil
}

// numbers returns the bytes of a tensor, which must be so many of a type.
func (c *Checkpoint) numbers(name, dtype string, bytes int) ([]byte, error) {
	have, b, err := c.Raw(name)
	if err == nil && (have != dtype || len(b) != bytes) {
		err = fmt.Errorf("%s is %s of %d bytes: must be %s of %d", name, have, len(b), dtype, bytes)
	}
	return b, err
}

// beside reports whether a tensor belongs to a weight in NF4, and to which.
func beside(name string) (weight string, ok bool) {
	for _, end := range []string{absmaxEnd, mapEnd, scaleEnd, scalesEnd, stateEnd} {
		if weight, ok := strings.CutSuffix(name, end); ok {
			return weight, true
		}
	}
	return "", false
}

// KeptTensors returns the tensors of a model as a checkpoint has them, in the
// formats that they are kept in. Those in int8 have no form there: an error.
func KeptTensors(m nn.Model) ([]Raw, error) {
	var tensors []Raw
	for _, p := range m.Params() {
		values := p.Values()
		switch s := values.Stored; {
		case s == nil:
			tensors = append(tensors, Raw{p.Name, p.Shape, "F32", littleBytes(p.Stored(values.Floats))})
		case s.Format == kernels.NF4 && !p.Transposed:
			list, err := nf4Tensors(p.Name, s.NF4)
			if err != nil {
				return nil, err
			}
			tensors = append(tensors, list...)
		case s.Words != nil && !p.Transposed:
			dtype := map[kernels.Dtype]string{kernels.BF16: "BF16", kernels.F16: "F16"}[s.Format]
			tensors = append(tensors, Raw{p.Name, p.Shape, dtype, littleBytes(s.Words)})
		default:
			return nil, nn.Unsupported(fmt.Errorf("pretrained: %s is kept as %s, for which a checkpoint has no form here", p.Name, s.Format))
		}
	}
	return tensors, nil
}

// nf4Tensors returns a weight as bitsandbytes saves it.
func nf4Tensors(name string, w *kernels.NF4Weight) ([]Raw, error) {
	text, err := json.Marshal(state{Type: "nf4", Block: nf4Block, DType: "float32", Shape: []int{w.Rows, w.Cols}, Group: nf4Group, GroupType: "float32", Offset: float64(w.Offset)})
	if err != nil {
		return nil, err
	}
	bytes := func(end string, b []byte, shape ...int) Raw { return Raw{name + end, shape, "U8", b} }
	floats := func(end string, x []float32) Raw { return Raw{name + end, []int{len(x)}, "F32", littleBytes(x)} }
	return []Raw{
		bytes("", w.Codes, len(w.Codes), 1), bytes(absmaxEnd, w.Absmax, len(w.Absmax)), floats(mapEnd, kernels.NF4Numbers()),
		floats(scaleEnd, w.Scale), floats(scalesEnd, w.Map), bytes(stateEnd, text, len(text)),
	}, nil
}
