package pretrained

import (
	"fmt"

	"github.com/lowrank/lowrank/kernels"
)

// A Tensor is a named array of float32, row by row.
type Tensor struct {
	Name  string
	Shape []int
	Data  []float32
}

// Tensor returns a tensor in float32; F32, BF16 and F16 are all exact in it.
// Any other type is an error. Of a file that [ReadSafetensors] opened, the
// values of F32 are the file's memory itself where they are aligned in it;
// otherwise they are a copy.
func (s *Safetensors) Tensor(name string) (Tensor, error) {
	defer s.keep()
	e, b, err := s.bytes(name)
	if err != nil {
		return Tensor{}, err
	}
	t := Tensor{Name: name, Shape: e.shape}
	switch e.dtype {
	case "F32":
		if s.memory != nil {
			if v, ok := alias[float32](b); ok {
				s.lend()
				t.Data = v
				return t, nil
			}
		}
		t.Data = make([]float32, len(b)/4)
		setValues(t.Data, b)
	case "BF16":
		t.Data = decodeHalves(b, kernels.DecodeBF16)
	case "F16":
		t.Data = decodeHalves(b, kernels.DecodeF16)
	default:
		return Tensor{}, fmt.Errorf("pretrained: %s: tensor %q is %s: must be F32, BF16 or F16", s.file, name, e.dtype)
	}
	return t, nil
}
