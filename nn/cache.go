package nn

import "github.com/lowrank/lowrank/ag"

// A Cache keeps the keys and values of one sequence's tokens, so that a pass
// over the tokens that follow need not compute them again. A pass may add
// tokens up to Most in all.
type Cache struct {
	Len  int // tokens that earlier passes have left
	Most int

	rows [][]float32 // the keys and values of every attention, in forward order
	at   int         // the next of them in the present pass
}

// NewCache returns an empty cache for so many tokens.
func NewCache(most int) *Cache { return &Cache{Most: most} }

// Next ends a pass over n tokens: the next one follows them.
func (k *Cache) Next(n int) { k.Len, k.at = k.Len+n, 0 }

// remember builds x, tokens×n, behind the rows that earlier passes left in its
// place: (Len+tokens)×n. Without a cache it is x itself.
func (k *Cache) remember(c *Context, x ag.Tensor) ag.Tensor {
	if k == nil {
		return x
	}
	tokens, n := ag.Dims(x)
	if k.at == len(k.rows) {
		k.rows = append(k.rows, make([]float32, k.Most*n))
	}
	rows := k.rows[k.at][:(k.Len+tokens)*n]
	k.at++
	past := k.Len * n
	c.Do(func() { copy(rows[past:], ag.Floats(x)) })
	return ag.NewVariable(k.Len+tokens, n, rows)
}
