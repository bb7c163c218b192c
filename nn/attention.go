package nn

import "github.com/lowrank/lowrank/ag"

// An AttentionShape is what the heads of a layer have in common.
type AttentionShape struct {
	Heads, KVHeads int       // KVHeads divides Heads
	Causal         bool      // no token sees a later one
	Window         int       // how many tokens back one sees, itself included; 0: all
	Scale          float32   // of the scores; 0: 1/√d
	Bias           ag.Tensor // of the scores, (Heads·tokens)×keys; nil: none
}

// Attend builds the attention of a sequence's tokens to each other, and to
// those in the context's cache: q is M×(Heads·d), or of the rows alone, if there are
// some, batch×(Heads·d); k and v are M×(KVHeads·d). Padding is seen by none.
func (c *Context) Attend(s AttentionShape, q, k, v ag.Tensor, rows *Rows) ag.Tensor {
	past, queries := c.Past(), c.Tokens
	k, v = c.Cache.remember(c, k), c.Cache.remember(c, v)
	mask := ag.Mask{Causal: s.Causal, Offset: past, Window: s.Window, First: c.First, End: c.End}
	if rows != nil {
		queries, mask = 1, rows.mask(c, mask)
	}
	return c.Run(ag.NewAttentionTo(q, k, v, c.Batch, queries, past+c.Tokens, s.Heads, s.KVHeads, ag.AttentionOptions{
		Mask: mask, Scale: s.Scale, Bias: s.Bias,
	}))
}

// AttendTo builds the attention of the context's tokens to those of another
// sequence, over whose padding they do not see: k and v are batch·tokens of
// that sequence.
func (c *Context) AttendTo(over *Context, s AttentionShape, q, k, v ag.Tensor) ag.Tensor {
	return c.Run(ag.NewAttentionTo(q, k, v, c.Batch, c.Tokens, over.Tokens, s.Heads, s.KVHeads, ag.AttentionOptions{
		Mask:  ag.Mask{First: over.First, End: over.End},
		Scale: s.Scale, Bias: s.Bias,
	}))
}
