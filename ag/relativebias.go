package ag

import "math"

// RelativeBias is T5's bias of an attention's scores by the distance of key j
// from query i (arXiv 1910.10683, section 2.1), for each head h:
//
//	y_{h·tokens+i, j} = table_{bucket(j-i-offset), h}
//
// Half of the buckets of a direction are of one distance each, the others widen
// logarithmically up to the largest distance, and the last takes all beyond. The
// gradient of an entry of the table is the sum of dy over its places, row by row.
type RelativeBias struct {
	table         Tensor
	tokens, heads int
	buckets       []int32   // of j-i from 1-tokens on
	sums          []float64 // of a head
	output
}

// NewRelativeBias returns the operator for a table buckets×heads; y is
// (heads·tokens)×keys, where the first query stands at offset among the keys. A
// bidirectional bias has buckets of its own for keys behind the query; the other
// one gives them the bucket of distance 0. It keeps at least two buckets a
// direction, and maxDistance must lie beyond the buckets of one distance.
func NewRelativeBias(table Tensor, tokens, keys, offset int, bidirectional bool, maxDistance int) *RelativeBias {
	const op = "RelativeBias"
	n, heads := Dims(table)
	if tokens < 0 || keys < 0 || offset < 0 {
		fail(op, "%d tokens, %d keys, offset %d: must not be negative", tokens, keys, offset)
	}
	least := 2
	if bidirectional {
		least = 4
	}
	if n < least {
		fail(op, "the table is %d×%d, bidirectional %t: must have at least %d rows", n, heads, bidirectional, least)
	}
	if exact := n / least; maxDistance <= exact {
		fail(op, "the table is %d×%d, largest distance %d: must be above %d", n, heads, maxDistance, exact)
	}
	f := &RelativeBias{
		table: table, tokens: tokens, heads: heads,
		buckets: make([]int32, max(tokens+keys-1, 0)), sums: make([]float64, n),
		output: newOutput(heads*tokens, keys),
	}
	for i := range f.buckets {
		f.buckets[i] = int32(relativeBucket(i+1-tokens-offset, n, bidirectional, maxDistance))
	}
	return f
}

// relativeBucket is _relative_position_bucket of transformers' T5Attention, in
// float32 as there, since whole numbers are cut off.
func relativeBucket(distance, buckets int, bidirectional bool, maxDistance int) (bucket int) {
	if !bidirectional {
		distance = max(-distance, 0)
	} else {
		buckets /= 2
		if distance > 0 {
			bucket = buckets
		}
		distance = max(distance, -distance)
	}
	exact := buckets / 2
	if distance < exact {
		return bucket + distance
	}
	log := float32(math.Log(float64(float32(distance) / float32(exact))))
	share := log / float32(math.Log(float64(maxDistance)/float64(exact)))
	return bucket + min(exact+int(share*float32(buckets-exact)), buckets-1)
}

func (f *RelativeBias) Operands() []Tensor { return []Tensor{f.table} }

// row returns the head and the buckets of a row of y.
func (f *RelativeBias) row(r int) (head int, buckets []int32) {
	i := r % f.tokens
	return r / f.tokens, f.buckets[f.tokens-1-i:][:f.y.cols]
}

func (f *RelativeBias) Forward() (Tensor, error) {
	t := Floats(f.table)
	for r := range f.y.rows {
		head, buckets := f.row(r)
		y := f.y.row(r)
		for j, b := range buckets {
			y[j] = t[int(b)*f.heads+head]
		}
	}
	return f.y, nil
}

func (f *RelativeBias) Backward(gy Tensor) error {
	if !f.table.RequiresGrad() {
		return nil
	}
	dy, n := Floats(gy), f.y.cols
	Accumulate(f.table, func(dt []float32, acc bool) {
		if !acc {
			clear(dt)
		}
		for head := range f.heads {
			clear(f.sums)
			for i := range f.tokens {
				_, buckets := f.row(i)
				for j, d := range dy[(head*f.tokens+i)*n:][:n] {
					f.sums[buckets[j]] += float64(d)
				}
			}
			for b, sum := range f.sums {
				dt[b*f.heads+head] += float32(sum)
			}
		}
	})
	return nil
}
