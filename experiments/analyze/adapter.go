package analyze

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/geometry"
	"github.com/lowrank/lowrank/nn"
)

// An Adapter is what is analysed: the maps of one adapter's folder.
type Adapter struct {
	Name   string // the folder, as it was given
	Short  string // of it what tells it from the others
	Method string
	Maps   []*Map // in the order of the model, or of the names without one
}

// A Map is one adapted map and what it has made of its weight.
type Map struct {
	*adapter.Map
	update  geometry.Product // ΔW = s·B·A, without DoRA's gain
	whole   []float32        // W' of a form that is no product; nil otherwise
	gain    bool             // W' is more than W0 + ΔW
	missing error            // why ΔW is not known; nil: it is

	svd func() (geometry.SVD, error) // of ΔW
}

// Read reads the adapter in a folder, on a model that it belongs to or, with a
// nil model, alone. The model is as it was afterwards.
func Read(dir string, model nn.Model) (*Adapter, error) {
	config, err := os.ReadFile(filepath.Join(dir, lora.ConfigFile))
	if err != nil {
		return nil, err
	}
	weights, err := os.ReadFile(filepath.Join(dir, lora.WeightsFile))
	if err != nil {
		return nil, err
	}
	var set *lora.Set
	if model == nil {
		set, err = lora.LoadAlone(config, weights)
	} else if set, err = lora.Load(model, config, weights); err == nil {
		set.Remove()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return Of(dir, set), nil
}

// Of returns the adapter of a set, under a name.
func Of(name string, set *lora.Set) *Adapter {
	a := &Adapter{Name: name, Method: set.Method.Name}
	for _, m := range set.Maps {
		a.Maps = append(a.Maps, of(m))
	}
	return a
}

// largest is up to which size of the smaller side the spectrum of a change that
// is no product is computed: an eigenvalue problem of that size.
const largest = 1024

func of(m *adapter.Map) *Map {
	x := &Map{Map: m}
	x.svd = sync.OnceValues(x.decompose)
	form, err := m.Freestanding()
	a0, b0 := m.Start()
	switch {
	case m.Router != nil && m.Router.Experts(m) > 1:
		x.missing = errors.New("its router weighs the experts for every token: there is no one change of the weight")
	case err != nil:
		x.missing = errors.New("what its factors do depends on the weight: the base is needed")
	case !form.LowRank() && min(m.Out, m.In) > largest:
		x.missing = fmt.Errorf("the change is a full matrix of more than %d rows and columns", largest)
	case !form.LowRank():
		x.whole = ag.Floats(form.W)
	default:
		x.gain = form.Gain != nil
		x.update = product(m, form.A, form.B)
		if a0 != nil {
			x.update = x.update.Minus(product(m, a0, b0))
		}
	}
	return x
}

func product(m *adapter.Map, a, b ag.Tensor) geometry.Product {
	return geometry.Of(float64(m.Scaling), ag.Floats(b), m.Out, ag.Floats(a), m.In)
}

// decompose returns the singular triplets of ΔW.
func (m *Map) decompose() (geometry.SVD, error) {
	if m.whole == nil {
		return m.update.SVD()
	}
	d, err := m.change()
	if err != nil {
		return geometry.SVD{}, err
	}
	return geometry.Decompose(d)
}

// change returns ΔW of a form that is no product.
func (m *Map) change() (*mat.Dense, error) {
	w, err := geometry.Dense(m.whole, m.Out, m.In)
	if err != nil {
		return nil, err
	}
	w0, err := geometry.Dense(m.W0(), m.Out, m.In)
	if err != nil {
		return nil, err
	}
	w.Sub(w, w0)
	return w, nil
}
