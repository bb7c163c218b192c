package pretrained

import "github.com/lowrank/lowrank/kernels"

// Half returns a BF16 or F16 tensor as it is stored, one row, in the memory of the
// file where that can be, or nil for a tensor of another type.
func (c *Checkpoint) Half(name string) (*kernels.Stored, error) {
	dtype, b, err := c.Raw(name)
	if err != nil || dtype != "BF16" && dtype != "F16" {
		return nil, err
	}
	words, ok := alias[uint16](b)
	if !ok {
		words = make([]uint16, len(b)/2)
		setValues(words, b)
	}
	s := &kernels.Stored{Format: kernels.BF16, Rows: 1, Cols: len(words), Words: words}
	if dtype == "F16" {
		s.Format = kernels.F16
	}
	return s, nil
}
