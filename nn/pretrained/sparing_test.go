package pretrained

import (
	"math"
	"slices"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
)

// headed are tiny models that read one row a sequence, and which padding they know.
var headed = map[string]struct{ config, padding string }{
	"bert":              {bertLike("bert", "BertForSequenceClassification", `"type_vocab_size": 2`), "behind"},
	"roberta":           {bertLike("roberta", "RobertaForSequenceClassification", `"type_vocab_size": 1, "pad_token_id": 1`), "behind"},
	"distilbert":        {distilbertLike("DistilBertForSequenceClassification"), "behind"},
	"gpt2":              {gpt2Like("GPT2ForSequenceClassification", `, "pad_token_id": null`), "both"},
	"llama":             {llamaLike("llama", "LlamaForSequenceClassification", `, "pad_token_id": 0`), "both"},
	"mistral":           {llamaLike("mistral", "MistralForSequenceClassification", `, "sliding_window": 3, "pad_token_id": 0`), "both"},
	"vit":               {visionLike("vit", "ViTForImageClassification", ""), "none"},
	"clip_vision_model": {visionLike("clip_vision_model", "CLIPVisionModelWithProjection", `, "projection_dim": 6`), "none"},
}

// Sparing, a model computes of its last block the rows alone that its head reads, and
// has the same outputs, bit for bit, and the same gradients.
func TestSparing(t *testing.T) {
	for name, h := range headed {
		for _, padding := range []string{"none", "behind", "before", "all"} {
			if padding != "none" && h.padding != "both" && h.padding != padding {
				continue
			}
			t.Run(name+"/padding="+padding, func(t *testing.T) {
				whole := spared(t, name, h.config, padding, false)
				some := spared(t, name, h.config, padding, true)
				if !slices.Equal(some.outputs, whole.outputs) {
					t.Errorf("outputs %v, with all rows %v", some.outputs, whole.outputs)
				}
				for tensor, want := range whole.grads {
					for i, w := range want {
						// The same sums over some ten rows, in another order, with zeros of the others.
						if d := math.Abs(float64(some.grads[tensor][i]) - float64(w)); !(d <= 1e-6+1e-5*math.Abs(float64(w))) {
							t.Errorf("gradient of %s[%d] is %g, with all rows %g", tensor, i, some.grads[tensor][i], w)
							break
						}
					}
				}
				if some.bytes >= whole.bytes {
					t.Errorf("%d bytes, %d with all rows", some.bytes, whole.bytes)
				}
			})
		}
	}
}

type pass struct {
	outputs []float32
	grads   map[string][]float32
	bytes   int
}

// spared trains all tensors of a model on two batches, the second in a replay, and
// returns what it left.
func spared(t *testing.T, name, config, padding string, sparing bool) pass {
	t.Helper()
	model, rng := drawn(t, name, config)
	model.(interface{ SetTrained(bool) }).SetTrained(true)
	c := inputs(model, rng)
	c.Tape, c.Sparing = ag.NewTape(), sparing
	if c.IDs != nil {
		c.First, c.End = []int{0, 0}, []int{c.Tokens, c.Tokens}
	}
	var y, loss ag.Tensor
	if err := ag.Guard(func() {
		y = model.Forward(c)
		rows, cols := ag.Dims(y)
		loss = c.Run(ag.NewMeanSquare(y, draw(rng, rows*cols)))
	}); err != nil {
		t.Fatal(err)
	}
	switch padding { // known to the replay alone
	case "behind":
		c.End[1] = 3
		c.IDs[8], c.IDs[9] = 0, 0
	case "before":
		c.First[0] = 2
		c.IDs[0], c.IDs[1] = 0, 0
	case "all":
		c.First[0], c.End[0] = 0, 0
		clear(c.IDs[:5])
	}
	c.Replay()
	if err := c.Backward(loss); err != nil {
		t.Fatal(err)
	}
	p := pass{slices.Clone(ag.Floats(y)), map[string][]float32{}, c.Bytes()}
	for _, param := range model.Params() {
		p.grads[param.Name] = slices.Clone(param.GradFloats())
	}
	return p
}

// Who wants the logits of the last token alone gets those that it has among all.
func TestLast(t *testing.T) {
	for _, name := range []string{"gpt2", "llama", "mistral"} {
		model, _ := drawn(t, name, tiny[name])
		ids := []int32{3, 8, 2, 11, 5, 16, 7}
		all := ag.Floats(model.Forward(&nn.Context{Tape: ag.NewTape(), Batch: 1, Tokens: len(ids), IDs: ids}))
		cache := nn.NewCache(len(ids))
		for from, to := 0, 4; from < len(ids); from, to = to, len(ids) { // the second pass behind a cache
			last := ag.Floats(model.Forward(&nn.Context{Tape: ag.NewTape(), Batch: 1, Tokens: to - from, IDs: ids[from:to], Cache: cache, Last: true}))
			if want := all[(to-1)*17 : to*17]; !slices.Equal(last, want) {
				t.Errorf("%s, tokens %d to %d: logits %v, among all %v", name, from, to, last, want)
			}
			cache.Next(to - from)
		}
	}
}
