package experiments

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"github.com/lowrank/lowrank/experiments/data"
	"github.com/lowrank/lowrank/experiments/record"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/llama"
	"github.com/lowrank/lowrank/nn/optim"
	"github.com/lowrank/lowrank/nn/pretrained"
)

// Pretraining says how the study's own base model is made.
type Pretraining struct {
	Model  llama.Config `json:"model"`
	Steps  int          `json:"steps"`
	Batch  int          `json:"batch"`
	Tokens int          `json:"tokens"`
	LR     float64      `json:"lr"`
	Seed   uint64       `json:"seed"`
	Text   string       `json:"text"` // hash of what it is trained on
}

// baseFile stands in the folder of a base model that this package made: it is
// written last, and holds the Pretraining and the losses.
const baseFile = "base.json"

type baseRecord struct {
	Pretraining
	HeldOutLoss float64 `json:"held_out_loss"` // nats a token
}

// PrepareBase returns the base model that p describes: from dir, where an
// earlier call left it, or pretrained on the text and saved there.
func PrepareBase(ctx context.Context, dir string, p Pretraining, text *data.Corpus, watch func(step int, loss float64)) (nn.Model, error) {
	return prepareBase(ctx, dir, Base{}, p, text, watch)
}

// prepareBase is PrepareBase of a model whose weights are kept in a format.
func prepareBase(ctx context.Context, dir string, b Base, p Pretraining, text *data.Corpus, watch func(step int, loss float64)) (nn.Model, error) {
	p.Text = hash(text.Train, text.HeldOut)
	if found, err := readBase(dir); err == nil && found.Pretraining == p {
		return b.load(dir, nil)
	}
	model, err := llama.New(p.Model, p.Seed)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil { // before the work, not after
		return nil, err
	}
	loss, err := pretrain(ctx, model, p, text, watch)
	if err != nil {
		return nil, err
	}
	if err := os.RemoveAll(filepath.Join(dir, baseFile)); err != nil {
		return nil, err
	}
	err = pretrained.Save(func(name string, write func(io.Writer) error) error {
		return record.WriteFile(filepath.Join(dir, name), write)
	}, p.Model, model)
	if err != nil {
		return nil, err
	}
	if err := record.WriteJSON(filepath.Join(dir, baseFile), baseRecord{p, loss}); err != nil || b.Format == "" {
		return model, err
	}
	return b.load(dir, nil)
}

func readBase(dir string) (r baseRecord, err error) {
	b, err := os.ReadFile(filepath.Join(dir, baseFile))
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(b, &r)
}

// pretrain trains every tensor of the model by AdamW and leaves it frozen. It
// returns the held-out loss.
func pretrain(ctx context.Context, model *llama.Model, p Pretraining, text *data.Corpus, watch func(int, float64)) (float64, error) {
	model.SetTrained(true)
	g, err := newGraph(model, byteBatch(p.Batch, p.Tokens), 1)
	if err != nil {
		return 0, err
	}
	var groups []*optim.Group
	for _, param := range model.Params() {
		groups = append(groups, &optim.Group{Name: param.Name, Scaling: 1, Params: []*optim.Param{{Name: param.Name, Value: param.Variable}}})
	}
	opt := optim.New(optim.AdamW(0.01), groups)
	schedule := optim.Schedule{Kind: optim.Cosine, Warmup: 0.05, Floor: 0.1, Steps: p.Steps}
	for step := 1; step <= p.Steps; step++ {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		g.bytes().Draw(text.Train, p.Seed, "pretrain", step)
		sum, err := g.forward()
		if err != nil {
			return 0, err
		}
		loss := sum / float64(p.Batch*p.Tokens)
		if math.IsNaN(loss) || math.IsInf(loss, 0) {
			return 0, fmt.Errorf("pretraining diverged at step %d", step)
		}
		if err := g.backward(); err != nil {
			return 0, err
		}
		optim.ClipNorm(groups, 1)
		opt.Step(schedule.LR(step, p.LR))
		opt.ZeroGrad()
		if watch != nil {
			watch(step, loss)
		}
	}
	model.SetTrained(false)
	s, err := g.evaluate(ctx, byteExam("", text.HeldOut), 8)
	if err != nil {
		return 0, err
	}
	return s.mean(), nil
}

// LoadBase reads a base model from a folder with config.json and
// model.safetensors, keeps it as b says, and checks that it is a language model
// whose vocabulary byte tokens fit.
func LoadBase(dir string, b Base) (nn.Model, error) {
	model, err := b.load(dir, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("model: %s: needs config.json and model.safetensors: %w", dir, err)
	}
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	if task := model.Task(); task != nn.NextToken {
		return nil, fmt.Errorf("model: the outputs of %s are of the task %q: need %q", dir, task, nn.NextToken)
	}
	if err := model.Check(&nn.Context{Batch: 1, Tokens: 1, IDs: []int32{data.Vocabulary - 1}}); err != nil {
		return nil, fmt.Errorf("model: %s: need a vocabulary of at least %d, one a byte: %w", dir, data.Vocabulary, err)
	}
	return model, nil
}

// hash returns the SHA-256 of the parts together.
func hash(parts ...[]byte) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:", len(p))
		h.Write(p)
	}
	return hex.EncodeToString(h.Sum(nil))
}
