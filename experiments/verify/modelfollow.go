package verify

import (
	"errors"
	"math"
	"path/filepath"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/optim"
)

// A follower trains adapters as a trace tells.
type follower struct {
	model   nn.Model
	set     *lora.Set
	batches inputs
	n       int // batches

	losses, norms []float32          // of each step
	share         map[string]float64 // the most that the gradient of a tensor had of the norm of all
}

// follow takes so many steps.
func (f *follower) follow(hyper adamW, steps int) error {
	o := optim.New(optim.Chain{
		optim.Adam{Beta1: hyper.Betas[0], Beta2: hyper.Betas[1], Eps: hyper.Eps},
		optim.Decay{Weight: hyper.WeightDecay},
	}, f.set.Groups())
	f.share = map[string]float64{}
	for step := range steps {
		o.ZeroGrad()
		p, err := f.batches.batch(step % f.n).forward(f.model)
		switch {
		case err != nil:
			return err
		case p.loss == nil:
			return errors.New("batches.safetensors: neither labels nor dout: there is no loss")
		}
		if err := p.backward(); err != nil {
			return err
		}
		norm, _ := optim.ClipNorm(o.Groups(), 0)
		weights, err := adapterWeights(f.set)
		if err != nil {
			return err
		}
		for _, w := range weights {
			f.share[w.name] = max(f.share[w.name], math.Sqrt(kernels.SumSquares(w.grad))/norm)
		}
		f.losses, f.norms = append(f.losses, ag.Floats(p.loss)[0]), append(f.norms, float32(norm))
		o.Step(hyper.LR)
	}
	return nil
}

// compareEnd compares what was trained with the adapters of dir/end. What the
// file has besides must be as it was in dir/start: PEFT saves frozen tensors
// too.
func (f *follower) compareEnd(r *rows, dir string) error {
	start, err := openRecord(filepath.Join(dir, "start", lora.WeightsFile))
	if err != nil {
		return err
	}
	defer start.Close()
	end, err := openRecord(filepath.Join(dir, "end", lora.WeightsFile))
	if err != nil {
		return err
	}
	defer end.Close()
	weights, err := adapterWeights(f.set)
	if err != nil {
		return err
	}
	trained, seen := map[string]weight{}, map[string]bool{}
	for _, w := range weights {
		trained[w.name] = w
	}
	for _, l := range f.model.Linears() { // a bias may have two names
		for _, whole := range f.set.Wholes {
			if l.Bias != nil && l.Bias == whole.Variable {
				trained[plain(l.Name+".bias")] = trained[plain(whole.Path())]
			}
		}
	}
	for _, name := range end.Names() {
		want, err := end.take(name)
		if err != nil {
			return err
		}
		if w, ok := trained[plain(name)]; ok {
			f.near(r, "end/"+name, w, want)
			seen[w.name] = true
			continue
		}
		x, err := start.take(name)
		if err != nil {
			r.fail("end/"+name, err)
			continue
		}
		r.near("end/"+name, x, want, Tolerance{})
	}
	for _, w := range weights {
		if !seen[w.name] {
			r.fail("end/"+w.name, errors.New("it is trained here, but no value is recorded"))
		}
	}
	return nil
}

// near compares a trained tensor. One whose gradient is zero but for rounding,
// as that of a bias of keys is, which no softmax sees, is left out: Adam makes
// full steps of the roundings, whose signs are chance.
func (f *follower) near(r *rows, name string, w weight, want []float32) {
	const rounding = 1e-6 // of the norm of all gradients
	if f.share[w.name] < rounding {
		return
	}
	r.near(name, w.values, want, Finals)
}
