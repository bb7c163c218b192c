package compare

import (
	"iter"

	"github.com/lowrank/lowrank/bench/peers"
)

// A Group is work of one sort with one target.
type Group struct {
	Name, Title, Target string
	Brief               bool // too many rows to print: the summary tells

	measure func(*run) error
	summary func(rows []*Row) iter.Seq2[string, *Row] // of one level and number of threads
}

// libraries are the peers of products.
var libraries = []peers.Program{peers.OneDNN, peers.OpenBLAS}

// What checks compare with.
const (
	ofPeak    = "of peak"
	ofRoof    = "of roof"
	ofBase    = "of base"
	xOneDNN   = "× oneDNN"
	xBest     = "× best peer"
	xOne      = "× 1 thread"
	xPlain    = "× plain Go"
	xPyTorch  = "× PyTorch"
	ofStream  = "of stream"
	ofFloat32 = "of float32"
)

var groups = []Group{
	{
		Name: "packed", Title: "Matrix product, weight packed beforehand",
		Target: "≥ 90 % of peak and ≥ 1.0× oneDNN", measure: packedProducts,
	},
	{
		Name: "matmul", Title: "Matrix product, packing counted",
		Target: "≥ 85 % of peak and ≥ 0.97× oneDNN", measure: plainProducts,
	},
	{
		Name: "go", Title: "Matrix product in Go, one thread",
		Target: "none", measure: goProducts,
	},
	{
		Name: "small", Title: "Small and odd shapes", Brief: true,
		Target: "no cell below 0.8× the better peer, ≥ 1.0× in the geometric mean", measure: smallProducts,
		summary: func(rows []*Row) iter.Seq2[string, *Row] { return means(rows, 1.0) },
	},
	{
		Name: "lowrank", Title: "Low-rank products alone",
		Target: "every cell ≥ 1.3× the better peer or ≥ 90 % of its roofline; ≥ 1.4× in the geometric mean", measure: lowRankProducts,
		summary: func(rows []*Row) iter.Seq2[string, *Row] { return means(rows, 1.4) },
	},
	{
		Name: "adapted", Title: "Adapted linear map whole",
		Target: "≤ our base product × (1 + 1.5 × extra flops + 0.01) for m ≥ 512; every cell ≥ 1.08× the better peer, ≥ 1.2× in the geometric mean", measure: adaptedMaps,
		summary: func(rows []*Row) iter.Seq2[string, *Row] { return means(rows, 1.2) },
	},
	{
		Name: "threads", Title: "More threads against one",
		Target: "≥ 0.95× as many times as fast", measure: scaling,
	},
	{
		Name: "memory", Title: "Loops on arrays beyond the cache",
		Target: "≥ 80 % of copy or triad", measure: loopsBeyond,
	},
	{
		Name: "cache", Title: "Loops within the cache",
		Target: "≥ 4× plain Go", measure: loopsWithin,
	},
	{
		Name: "dtypes", Title: "Weights kept as bf16, f16, int8 and NF4, decoded while packed",
		Target: "≤ 1.1× the time with float32", measure: dtypes,
	},
	{
		Name: "attention", Title: "Causal attention, 8 heads × 64",
		Target: "≥ 1.3× PyTorch", measure: attention,
	},
}

// Groups are what Run measures, in order.
func Groups() []Group { return groups }
