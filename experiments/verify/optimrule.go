package verify

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/update"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/optim"
)

// A rule is a recorded optimizer.
type rule struct {
	rate      float64
	transform optim.Transform
	update    adapter.Update // whose frozen factors hold; nil: none are
}

// rule returns the optimizer that the recorded parameters describe: PyTorch's
// of class cls, PEFT's LoRA+ by its ratio, PEFT's LoRA-FA where no A is
// trained, and else AdamW; PEFT's Riemannian optimizer by its name or damping
// is one of PyTorch's on preconditioned gradients.
func (rec *recording) rule() (rule, error) {
	h := hyper{rec.Hyper, map[string]bool{}}
	// The class, and what a function that makes an optimizer looks like.
	class, _ := rec.Hyper["cls"].(string)
	h.known("cls")
	rl := rule{rate: h.number("lr", -1)}
	beta1, beta2 := h.betas()
	adam := optim.Adam{Beta1: beta1, Beta2: beta2, Eps: h.number("eps", 1e-8)}
	name, _ := strings.CutPrefix(class, "torch.optim.")
	_, plus := rec.Hyper["loraplus_lr_ratio"]
	_, riemannian := rec.Hyper["reg"]
	if strings.Contains(rec.Name, "riemannian") {
		riemannian = true
		h.known("signature")
	}
	switch {
	case plus && (name == "" || name == "AdamW"):
		rl.transform = optim.Chain{adam, update.PEFTPlus{Decay: h.number("loraplus_weight_decay", 0), Ratio: h.number("loraplus_lr_ratio", 1)}}
	case name == "" && rec.freezesA():
		rl.update = update.LoRAFA{PEFT: true}
		rl.transform = optim.Chain{update.RowProjection{}, optim.Except{Role: "A", Then: optim.Chain{
			optim.AdamHF{Beta1: beta1, Beta2: beta2, Eps: h.number("eps", 1e-6)},
			optim.DecayAfter{Weight: h.number("weight_decay", 0)},
		}}}
	case name == "AdamW", name == "" && (riemannian || strings.HasPrefix(rec.Name, "adamw")):
		rl.transform = optim.Chain{adam, optim.Decay{Weight: h.number("weight_decay", 0.01)}}
	case name == "Adam":
		rl.transform = optim.Chain{optim.Decay{Weight: h.number("weight_decay", 0)}, adam}
	case name == "SGD":
		nesterov, _ := rec.Hyper["nesterov"].(bool)
		h.known("nesterov")
		rl.transform = optim.Chain{optim.Decay{Weight: h.number("weight_decay", 0)}, optim.Momentum{Mu: h.number("momentum", 0), Nesterov: nesterov}}
	default:
		return rl, nn.Unsupported(fmt.Errorf("optimizer %s %s is not supported", rec.Name, class))
	}
	if riemannian {
		rl.transform = optim.Chain{update.Precondition{Damping: h.number("reg", 0.01)}, rl.transform}
	}
	for _, key := range slices.Sorted(maps.Keys(rec.Hyper)) {
		if v := rec.Hyper[key]; !h.asked[key] && v != nil && v != false && v != 0.0 {
			return rl, nn.Unsupported(fmt.Errorf("optimizer %s: %s is %v: not supported", rec.Name, key, v))
		}
	}
	if rl.rate < 0 {
		return rl, fmt.Errorf("%s.json: hyper: lr is missing", rec.name)
	}
	return rl, nil
}

// freezesA reports whether B is trained and A is not.
func (rec *recording) freezesA() bool {
	is := func(factor string) bool {
		return slices.ContainsFunc(rec.Trainable, func(name string) bool { return strings.Contains(name, factor) })
	}
	return is(".lora_B.") && !is(".lora_A.")
}

// hyper are parameters of an optimizer, with those that were asked for.
type hyper struct {
	values map[string]any
	asked  map[string]bool
}

func (h hyper) known(key string) { h.asked[key] = true }

func (h hyper) number(key string, otherwise float64) float64 {
	h.known(key)
	if v, ok := h.values[key].(float64); ok {
		return v
	}
	return otherwise
}

func (h hyper) betas() (float64, float64) {
	h.known("betas")
	if v, ok := h.values["betas"].([]any); ok && len(v) == 2 {
		b1, ok1 := v[0].(float64)
		b2, ok2 := v[1].(float64)
		if ok1 && ok2 {
			return b1, b2
		}
	}
	return 0.9, 0.999 // PyTorch's
}
