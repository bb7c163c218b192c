package pretrained

import "github.com/lowrank/lowrank/ag"

// Half returns a BF16 or F16 tensor as it is stored, in the memory of the file
// where that can be, or nil for a tensor of another type.
func (c *Checkpoint) Half(name string) (*ag.Half, error) {
	dtype, b, err := c.Raw(name)
	if err != nil || dtype != "BF16" && dtype != "F16" {
		return nil, err
	}
	bits, ok := alias[uint16](b)
	if !ok {
		bits = make([]uint16, len(b)/2)
		setValues(bits, b)
	}
	return &ag.Half{Bits: bits, F16: dtype == "F16"}, nil
}
