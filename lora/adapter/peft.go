package adapter

import "github.com/lowrank/lowrank/nn"

// A Stored delta is one that PEFT has a type for: its adapters are written to
// and read from PEFT's files.
type Stored interface {
	Delta
	// PEFT returns how the delta is stored.
	PEFT() Layout
	// FromPEFT returns the delta that the values of an adapter_config.json
	// describe, or false if they describe none of this kind.
	FromPEFT(config map[string]any) (Delta, bool)
}

// A StoredStart is an initializer that PEFT has a name for.
type StoredStart interface {
	Initializer
	// FromPEFT returns the initializer that a value of init_lora_weights means,
	// beside which an adapter_config.json may say more, or false if it is none of
	// this kind.
	FromPEFT(start any, config map[string]any) (Initializer, bool)
}

// A RemadeStart is an initializer that replaces the base by what PEFT makes anew
// from W0 as it reads the adapters.
type RemadeStart interface {
	// Stored returns the keys of an adapter_config.json that say so, or false where
	// there are none.
	Stored() (map[string]any, bool)
}

// A Layout is how PEFT stores a delta.
type Layout struct {
	Type    string         // peft_type
	Rank    string         // the configuration's key of the rank: r
	Alpha   string         // of alpha: lora_alpha; "" where there is none
	Ranks   string         // of the ranks of single maps: rank_pattern; "" where all are equal
	Alphas  string         // of their alphas
	Config  map[string]any // keys that the type wants besides
	Tensors []Tensor
	// OwnStart: the type implies how to start, the start of the delta's row. What
	// that takes out of the base is not stored, but taken out anew by whoever
	// reads the files.
	OwnStart bool
}

// A Tensor is how PEFT stores a factor.
type Tensor struct {
	Factor string // the factor's name
	Name   string // the tensor's, after the module's
	Table  string // the tensor's name where the module is an embedding; "": the same
	Vector bool   // one dimension in the file, 1×n here
	// Channels: of a convolution the file has a vector as [1, n, 1, 1].
	Channels bool
	// Shared: stored once for the model, without the module's name; each map
	// has the upper left corner.
	Shared bool
	// Ones: one value a component, so that components which are appended to
	// A and B have a one.
	Ones bool
}

// Stored returns the tensor's name, after the module's, and its shape in the
// file, for a factor of the map l that is rows×cols here.
func (t Tensor) Stored(l *nn.Linear, rows, cols int) (name string, shape []int) {
	name, shape = t.Name, []int{rows, cols}
	if l.Kind == nn.Table && t.Table != "" {
		name = t.Table
	}
	if t.Vector {
		shape = []int{rows * cols}
	}
	if l.Kind == nn.Convolution {
		switch {
		case t.Channels:
			shape = []int{1, rows * cols, 1, 1}
		case cols == l.In && t.Factor == "A":
			shape = append([]int{rows}, l.Kernel...)
		case rows == l.Out && t.Factor == "B":
			shape = []int{rows, cols, 1, 1}
		}
	}
	return name, shape
}
