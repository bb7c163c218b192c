package nn

import "fmt"

// Padded reports whether row i of a matrix of so many rows is padding. Where it has not
// a row for each token, none is.
func (c *Context) Padded(i, rows int) bool {
	if c.Tokens == 0 || rows != c.Batch*c.Tokens {
		return false
	}
	b, at := i/c.Tokens, i%c.Tokens
	return c.First != nil && at < c.First[b] || c.End != nil && at >= c.End[b]
}

// Padding returns which tokens of each sequence are no padding, for a mask of
// batch·tokens that is 1 for those and 0 for the others: a run from first[b] up
// to end[b]-1. A mask with a hole is an error: attention reads runs of keys.
func Padding(mask []int64, batch, tokens int) (first, end []int, err error) {
	if len(mask) != batch*tokens {
		return nil, nil, fmt.Errorf("nn: an attention mask of %d values: must have batch·tokens = %d·%d", len(mask), batch, tokens)
	}
	for b := range batch {
		from, to := 0, 0
		for i, v := range mask[b*tokens:][:tokens] {
			switch {
			case v == 0:
			case v != 1:
				return nil, nil, fmt.Errorf("nn: attention mask: %d in row %d, position %d: must be 0 or 1", v, b, i)
			case to == 0:
				from, to = i, i+1
			case to != i:
				return nil, nil, fmt.Errorf("nn: attention mask: row %d has a hole before position %d: padding must stand before or behind", b, i)
			default:
				to = i + 1
			}
		}
		first, end = append(first, from), append(end, to)
	}
	return first, end, nil
}
