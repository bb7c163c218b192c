package peers

import (
	"embed"
	"fmt"
	"os/exec"
)

//go:embed c
var sources embed.FS

//go:embed attention.py
var attention []byte

// A Program is a peer that may be on this machine.
type Program struct {
	Name  string
	Get   string // how to get it, on Debian
	kinds []Kind

	files []string          // C sources under c/
	flags []string          // of gcc
	hold  map[string]string // by instruction set, the setting that holds it to that
	env   []string
}

// Held returns the program as it runs on a machine with no more than an instruction
// set, AVX2 say. Ok is false if it cannot be told to.
func (p Program) Held(set string) (held Program, ok bool) {
	setting, ok := p.hold[set]
	if ok {
		p.env = []string{setting}
	}
	return p, ok
}

var products = []Kind{MatMul, MatMulPacked, LowRankForward, LowRankBackward, AdaptedForward, AdaptedBackward}

// The programs. Stream is no library but the machine's own bandwidth.
var (
	OneDNN = Program{
		Name: "oneDNN", Get: "apt-get install gcc libdnnl-dev", kinds: products,
		files: []string{"serve.h", "serve.c", "products.h", "products.c", "onednn.c"}, flags: []string{"-O2", "-fopenmp", "-ldnnl"},
		hold: map[string]string{"AVX2": "ONEDNN_MAX_CPU_ISA=AVX2"},
	}
	OpenBLAS = Program{
		Name: "OpenBLAS", Get: "apt-get install gcc libopenblas-pthread-dev", kinds: products,
		files: []string{"serve.h", "serve.c", "products.h", "products.c", "openblas.c"}, flags: []string{"-O2", "-lopenblas"},
		hold: map[string]string{"AVX2": "OPENBLAS_CORETYPE=Haswell"}, // its kernels for AVX2
	}
	Stream = Program{
		Name: "stream", Get: "apt-get install gcc", kinds: []Kind{Copy, Triad},
		files: []string{"serve.h", "serve.c", "stream.c"},
		flags: []string{"-O3", "-march=native", "-fno-tree-loop-distribute-patterns", "-fopenmp"}, // a copy loop that stays one
	}
	PyTorch = Program{Name: "PyTorch", Get: "pip install torch numpy", kinds: []Kind{AttentionForward, AttentionBackward}}
)

// Programs are all of them.
func Programs() []Program { return []Program{OneDNN, OpenBLAS, PyTorch, Stream} }

// Missing is a peer that this machine does not have.
type Missing struct {
	Name, Get string
	Why       error
}

func (m *Missing) Error() string {
	return fmt.Sprintf("%s is not here (%v): get it with %s", m.Name, m.Why, m.Get)
}

func (m *Missing) Unwrap() error { return m.Why }

// Start builds a program if need be and runs it. The error is a *Missing where
// the machine lacks it.
func Start(p Program) (*Peer, error) {
	missing := func(why error) error { return &Missing{Name: p.Name, Get: p.Get, Why: why} }
	if len(p.files) == 0 {
		python, err := interpreter("")
		if err != nil {
			return nil, missing(err)
		}
		peer, err := start(p.Name, p.env, python, "-c", string(attention))
		if err != nil {
			return nil, missing(err)
		}
		return peer, nil
	}
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		return nil, missing(err)
	}
	binary, err := build(gcc, p)
	if err != nil {
		return nil, missing(err)
	}
	return start(p.Name, p.env, binary)
}
