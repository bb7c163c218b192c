package update

// A Selection of X says which of the directions a and b that all make the same
// change of the weight LoRA-Pro takes: X is free in a + X·A and b − B·X ([tangent]).
// It moves the product B·A by what the two make together, lr²·b·a, and decides
// how the factors' sizes go on.
type Selection int

const (
	// Closest brings a and b closest to the gradients that they replace: the
	// paper's choice (arXiv 2407.18242, theorem 2.3). Closeness depends on how
	// B·A is split.
	Closest Selection = iota
	// Zero leaves what both factors could do to A: X = 0. Then a step, not only
	// its first order, is the same for every split of B·A.
	Zero
	// Symmetric halves it between the two: s·B·a = P_B·G − P_B·G·P_A/2, and
	// s·b·A = G·P_A − P_B·G·P_A/2. It is invariant too.
	Symmetric
)
