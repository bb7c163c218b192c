package verify

import (
	"fmt"
	"slices"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/nn"
)

// runVariant compares one adapted map: what it computes, its gradients, its
// merged form, how it trains, and how it starts.
func runVariant(r *rows, rec *recording) {
	v := &variant{rows: r, recording: rec}
	var err error
	if v.tensors, err = rec.open(tensorsExt); err != nil {
		r.fail("", err)
		return
	}
	weight, bias := rec.base()
	left := "param." + layerName + ".base_layer."
	if v.module, err = rec.openModule(v.tensors, []string{left + "weight", weight}, []string{left + "bias", bias}); err != nil {
		r.refuse("", err)
		return
	}
	method, opt, err := rec.method(v.module)
	if err == nil {
		v.set, v.parts, err = adapted(v.module, method, opt, v.tensors)
	}
	if err != nil {
		r.refuse("", err)
		return
	}
	v.scalars()
	v.pass()
	v.penalty()
	v.delta()
	v.merge()
	v.train()
	v.rest()
	if has(rec.dir, rec.name+startExt) {
		runStart(r, rec)
	}
}

// base returns the names of the weight and the bias before they were adapted.
func (rec *recording) base() (weight, bias string) {
	if rec.Kind == "" {
		return "W0", "b0"
	}
	return "base." + layerName + ".weight", "base." + layerName + ".bias"
}

// A variant is a module with its adapter at the recorded values.
type variant struct {
	*rows
	*recording
	*module
	tensors tensors
	set     *lora.Set
	parts   []part
}

func (v *variant) adapter() *adapter.Map { return v.set.Maps[0] }

// scalars compares rank and scaling.
func (v *variant) scalars() {
	m, scaling := v.adapter(), 1.0
	if name := "param." + layerName + ".ranknum." + adapterName; v.tensors.has(name) {
		v.tensors.near(v.rows, name, []float32{float32(m.Rank)}, []int{1}, Tolerance{})
		scaling = float64(m.Rank) // AdaLoRA's PEFT divides by it where it computes
	}
	for _, c := range []struct {
		name string
		got  float64
	}{{"scaling." + adapterName, scaling * float64(m.Scaling)}, {"r." + adapterName, float64(m.Rank)}} {
		if want, ok := v.Scalars[c.name].(float64); ok {
			v.rows.near("layer_scalars."+c.name, []float32{float32(c.got)}, []float32{float32(want)}, Tolerance{Rel: 1e-6})
		}
	}
	if v.Trainable == nil {
		return
	}
	var have []string
	for _, p := range v.parts {
		if p.trained {
			have = append(have, p.names...)
		}
	}
	for _, name := range v.Trainable {
		if !slices.Contains(have, name) {
			v.fail(name, fmt.Errorf("it is recorded as trained, and is not here"))
		}
	}
}

// pass compares outputs and gradients of the loss Σ y·dy.
func (v *variant) pass() {
	dy, err := v.tensors.shaped("dy", v.out)
	if err != nil {
		v.fail("dy", err)
		return
	}
	if v.x != nil {
		v.x.SetRequiresGrad(true)
		defer v.x.SetRequiresGrad(false)
	}
	c := &nn.Context{Tape: ag.NewTape()}
	y := v.forward(c)
	v.tensors.near(v.rows, "y", ag.Floats(y), v.out, Values)
	loss := c.Run(ag.NewSum([]float32{float32(len(dy))}, c.Run(ag.NewWeightedMean(y, dy))))
	if err := c.Backward(loss); err != nil {
		v.fail("y", err)
		return
	}
	if v.x != nil {
		v.tensors.near(v.rows, "dx", v.x.GradFloats(), v.in, Values)
	}
	for _, p := range v.parts {
		name := v.tensors.first(p.under("grad")...)
		if p.trained && !v.withoutGrad(p) {
			v.tensors.near(v.rows, name, p.GradFloats(), p.shape, Values)
		}
		p.ZeroGrad()
	}
}

// withoutGrad reports whether PEFT's loss does not depend on the part.
func (v *variant) withoutGrad(p part) bool {
	return slices.ContainsFunc(p.names, func(name string) bool { return slices.Contains(v.WithoutGrad, name) })
}

// delta compares the adapter's own weight, PEFT's get_delta_weight: s·B·A, or
// B·A of a method that multiplies the base by it.
func (v *variant) delta() {
	if v.Delta != "ok" && !v.tensors.has("delta") {
		return
	}
	m := v.adapter()
	f, err := m.Freestanding()
	if err != nil {
		v.fail("delta", err)
		return
	}
	a, b, s := f.A, f.B, m.Scaling
	switch _, kasa := m.Delta.(delta.KaSA); {
	case !f.LowRank():
		a, b, s = m.Factor("A"), m.Factor("B"), 1
	case kasa: // PEFT's function leaves the diagonal out, which its forward has
		a = m.Factor("A")
	}
	w := ag.Floats(ag.NewTape().Run(ag.NewProduct(b, a, s)))
	v.tensors.near(v.rows, "delta", v.stored(w), v.w, Values)
}

// merge compares the merged map and what it computes, and takes it back.
func (v *variant) merge() {
	if v.Merge != "ok" && !v.tensors.has("merged.weight") {
		return
	}
	if err := v.set.Merge(); err != nil {
		v.fail("merged.weight", err)
		return
	}
	defer v.set.Unmerge()
	v.tensors.near(v.rows, "merged.weight", v.stored(v.lin.Weight()), v.w, Values)
	if name := "merged.bias"; v.tensors.has(name) && v.lin.Bias == nil {
		v.fail(name, fmt.Errorf("it is recorded, but the merged map has none"))
	} else if v.lin.Bias != nil && (v.tensors.has(name) || v.Merge == "ok") {
		v.tensors.near(v.rows, name, v.lin.Bias.Floats(), []int{v.lin.Out}, Values)
	}
	y := v.forward(&nn.Context{Tape: ag.NewTape()})
	v.tensors.near(v.rows, "y_merged", ag.Floats(y), v.out, Values)
}

// rest fails for what is recorded and was not compared with anything. The base
// before the adapter may be there besides the one that it works on.
func (v *variant) rest() {
	own := v.tensors[0]
	weight, bias := v.base()
	for _, name := range []string{weight, bias, "param." + layerName + ".base_layer.bias"} {
		delete(own.left, name)
	}
	if len(v.Losses) == 0 {
		delete(own.left, "target")
	}
	own.rest(v.rows)
}
