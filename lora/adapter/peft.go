package adapter

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

// A Layout is how PEFT stores a delta.
type Layout struct {
	Type    string         // peft_type
	Rank    string         // the configuration's key of the rank: r
	Alpha   string         // of alpha: lora_alpha; "" where there is none
	Ranks   string         // of the ranks of single maps: rank_pattern; "" where all are equal
	Alphas  string         // of their alphas
	Config  map[string]any // keys that the type wants besides
	Tensors []Tensor
}

// A Tensor is how PEFT stores a factor.
type Tensor struct {
	Factor string // the factor's name
	Name   string // the tensor's, after the module's
	Vector bool   // one dimension in the file, 1×n here
	// Shared: stored once for the model, without the module's name; each map
	// has the upper left corner.
	Shared bool
	// Ones: one value a component, so that components which are appended to
	// A and B have a one.
	Ones bool
}
