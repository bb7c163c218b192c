package step

import (
	"math"
	"testing"
)

// TestFlops counts by hand. In each sum stand, in this order: the frozen maps of
// the blocks forward and for their inputs' gradients, less q, k and v of the
// first block; the factors, of which a block has in+out in all, with six
// products of rank 8 (x·Aᵀ, u·Bᵀ, dy·B, v·A, vᵀ·x, dyᵀ·u are three times
// rows·r·(in+out)), less v·A of the first q, k and v; what stands on the blocks;
// attention.
func TestFlops(t *testing.T) {
	const asked = 303 // of seed 1
	for _, test := range []struct {
		shape  Shape
		method string
		want   float64
	}{
		{Encoder, "lora", 0 +
			2*2048*(2*5*(4*384*384+2*384*1536)-3*384*384+2*2*384*384) + // of the last block k and v
			2*2048*8*(3*5*(4*768+2*1920)-3*384+3*2*768) +
			2*32*2*(384*384+384*2) + // a row a sequence: the pooler and the classifier,
			2*32*2*(2*384*384+2*384*1536) + // and the rest of the last block
			2*32*8*3*(2*768+2*1920) +
			12*32*64*64*384*5 + 12*32*64*384},
		{Decoder, "lora", 0 +
			2*1024*(2*8*(4*512*512+3*512*1376)-3*512*512) +
			2*1024*8*(3*8*(4*1024+3*1888)-3*512) +
			2*8*127*2*4096*512 + // the output, of tokens that one follows
			12*8*(128*129/2)*512*8},
		{Answers, "lora", 0 +
			2*1024*(2*8*(4*512*512+3*512*1376)-3*512*512) +
			2*1024*8*(3*8*(4*1024+3*1888)-3*512) +
			2*8*64*2*32000*512 + // the first of an answer follows the last of the prompt
			12*8*(128*129/2)*512*8},
		{Masked, "lora", 0 +
			2*2048*(2*6*(4*384*384+2*384*1536)-3*384*384) +
			2*2048*8*(3*6*(4*768+2*1920)-3*384) +
			2*2048*2*384*384 + // the head's own map, and the output
			2*asked*2*30522*384 +
			12*32*64*64*384*6},
		{Study, "lora", 0 +
			2*1024*(2*4*(4*128*128+3*128*344)-3*128*128) +
			2*1024*8*(3*4*(4*256+3*472)-3*128) +
			2*8*127*2*256*128 +
			12*8*(128*129/2)*128*4},
		// A is frozen: no vᵀ·x.
		{Study, "lora-fa", 0 +
			2*1024*(2*4*(4*128*128+3*128*344)-3*128*128) +
			2*1024*8*(3*4*(4*256+3*472)-3*128-4*(6*128+344)) +
			2*8*127*2*256*128 +
			12*8*(128*129/2)*128*4},
		// Norms of rows besides: W0·Aᵀ, A·Aᵀ and its product with B.
		{Study, "dora", 0 +
			2*1024*(2*4*(4*128*128+3*128*344)-3*128*128) +
			2*1024*8*(3*4*(4*256+3*472)-3*128) +
			2*4*8*(4*128*128+3*128*344) + 2*4*8*8*(4*256+3*472) +
			2*8*127*2*256*128 +
			12*8*(128*129/2)*128*4},
		// Rank 12, and ‖A·Aᵀ − I‖ and ‖Bᵀ·B − I‖ forward and back.
		{Study, "adalora", 0 +
			2*1024*(2*4*(4*128*128+3*128*344)-3*128*128) +
			2*1024*12*(3*4*(4*256+3*472)-3*128) +
			2*2*4*12*12*(4*256+3*472) +
			2*8*127*2*256*128 +
			12*8*(128*129/2)*128*4},
		// B·A, dB and dA beside y, dx and dW'.
		{Study, "hira", 0 +
			2*1024*(3*4*(4*128*128+3*128*344)-3*128*128) +
			2*3*8*4*(4*128*128+3*128*344) +
			2*8*127*2*256*128 +
			12*8*(128*129/2)*128*4},
		{Study, "full", 0 +
			2*1024*(3*4*(4*128*128+3*128*344)-3*128*128) +
			2*8*127*2*256*128 +
			12*8*(128*129/2)*128*4},
		// The table has a gradient, and so has what reads it.
		{Study, Everything, 0 +
			2*1024*3*4*(4*128*128+3*128*344) +
			2*8*127*3*256*128 +
			12*8*(128*129/2)*128*4},
	} {
		training, err := New(test.shape, test.method, 1)
		if err != nil {
			t.Fatal(err)
		}
		if got := training.Flops(); math.Abs(got-test.want) > 1e-9*test.want {
			t.Errorf("%s, %s: %.0f, by hand %.0f, %.4f of it", test.shape.Name, test.method, got, test.want, got/test.want)
		}
	}
}
