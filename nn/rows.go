package nn

import "github.com/lowrank/lowrank/ag"

// Rows are one row of each sequence: that of the last hidden states which a classifier
// reads, or which the next token is drawn from. Nil are all rows.
type Rows struct {
	at []int32 // in M×n
}

// FirstToken returns the rows of the first tokens.
func (c *Context) FirstToken() *Rows {
	r := &Rows{make([]int32, c.Batch)}
	for b := range r.at {
		r.at[b] = int32(b * c.Tokens)
	}
	return r
}

// LastToken returns the rows of the last tokens that are not pad. Where pad is
// negative they are the last ones that are no padding.
func (c *Context) LastToken(pad int) *Rows {
	r := &Rows{make([]int32, c.Batch)}
	c.Do(func() {
		for b := range r.at {
			end := c.Tokens
			switch {
			case pad >= 0:
				for end > 1 && int(c.IDs[b*c.Tokens+end-1]) == pad {
					end--
				}
			case c.End != nil:
				end = max(c.End[b], 1)
			}
			r.at[b] = int32(b*c.Tokens + end - 1)
		}
	})
	return r
}

// NextToken returns the rows that the logits of next tokens are made of: all, or
// with Last those of the last tokens.
func (c *Context) NextToken() *Rows {
	if c.Last && c.Tokens > 1 {
		return c.LastToken(-1)
	}
	return nil
}

// In returns the rows that block i of so many needs to compute, where the head
// reads r: all, but of the last block of a Sparing context r, and of one that wants
// no others.
func (r *Rows) In(c *Context, i, blocks int) *Rows {
	if i == blocks-1 && (c.Sparing || c.Last) {
		return r
	}
	return nil
}

// Of builds the rows of x, M×n, as batch×n: x itself if there is one row a sequence
// already, or r is nil.
func (r *Rows) Of(c *Context, x ag.Tensor) ag.Tensor {
	if rows, _ := ag.Dims(x); r == nil || rows == len(r.at) {
		return x
	}
	return c.Run(ag.NewEmbedding(x, r.at))
}

// mask builds what the rows' queries see, one a sequence, of what m shows to all.
func (r *Rows) mask(c *Context, m ag.Mask) ag.Mask {
	one := ag.Mask{First: make([]int, c.Batch), End: make([]int, c.Batch)}
	c.Do(func() {
		for b, row := range r.at {
			one.First[b], one.End[b] = m.Keys(b, int(row)-b*c.Tokens, m.Offset+c.Tokens)
		}
	})
	return one
}
