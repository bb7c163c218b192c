package ag

import (
	"sync"

	"github.com/nlpodyssey/spago/mat"
)

// A Workspace is where the outputs of a tape lie, and lends gradient buffers by exact
// shape. The sequence of shapes is the same in every step of a tape, so after the
// first step nothing is allocated.
type Workspace struct {
	mu    sync.Mutex // spago's own Backward asks for buffers concurrently
	slabs *slabs
	free  map[[2]int][]*mat.Dense[float32]
	bytes int
}

// NewWorkspace returns an empty workspace.
func NewWorkspace() *Workspace { return workspaceIn(&slabs{}) }

func workspaceIn(s *slabs) *Workspace {
	return &Workspace{slabs: s, free: map[[2]int][]*mat.Dense[float32]{}}
}

// floats returns memory for n values, which are not defined.
func (w *Workspace) floats(n int) []float32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.slabs.take(w, n)
}

// drop gives up what floats has returned.
func (w *Workspace) drop(x []float32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.slabs.drop(w, x)
}

// Get returns a rows×cols buffer with unspecified contents.
func (w *Workspace) Get(rows, cols int) *mat.Dense[float32] {
	w.mu.Lock()
	defer w.mu.Unlock()
	shape := [2]int{rows, cols}
	if l := w.free[shape]; len(l) > 0 {
		w.free[shape] = l[:len(l)-1]
		return l[len(l)-1]
	}
	w.bytes += 4 * rows * cols
	return mat.NewDense[float32](mat.WithShape(rows, cols), mat.WithBacking(w.slabs.take(w, rows*cols)))
}

// Put takes a buffer back.
func (w *Workspace) Put(b *mat.Dense[float32]) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := b.Shape()
	shape := [2]int{s[0], s[1]}
	w.free[shape] = append(w.free[shape], b)
}

// Bytes returns the size of all buffers ever lent.
func (w *Workspace) Bytes() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.bytes
}

func newDense(rows, cols int) *mat.Dense[float32] {
	return mat.NewDense[float32](mat.WithShape(rows, cols))
}
