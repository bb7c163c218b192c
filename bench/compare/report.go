package compare

import "github.com/lowrank/lowrank/kernels"

// A Report is what a run found.
type Report struct {
	CPU     kernels.Info `json:"cpu"`
	Go      string       `json:"go"`
	Peers   []Peer       `json:"peers"`
	Machine Machine      `json:"machine"`
	Rows    []*Row       `json:"rows"`
}

// A Peer is one that was there, or the line that tells how to get it.
type Peer struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	Missing string `json:"missing,omitempty"`
}

// A Machine is what it can do at most.
type Machine struct {
	Peaks      []*Peak     `json:"peaks"`
	Bandwidths []Bandwidth `json:"bandwidths"`
}

// A Peak is the rate of multiply-adds at a level, the best of the whole run.
type Peak struct {
	Level   string  `json:"simd"`
	Threads int     `json:"threads"`
	GFLOPS  float64 `json:"gflops"`
	Busy    float64 `json:"busy"` // part of the samples more than a tenth below it

	samples []float64
}

// Add takes one more sample, in GFLOP/s.
func (p *Peak) Add(sample float64) {
	p.samples = append(p.samples, sample)
	p.GFLOPS = max(p.GFLOPS, sample)
	below := 0
	for _, s := range p.samples {
		if s < 0.9*p.GFLOPS {
			below++
		}
	}
	p.Busy = float64(below) / float64(len(p.samples))
}

// A Bandwidth is what a working set of so many bytes is read and written at, in
// GB/s. Triad is zero where gcc is missing.
type Bandwidth struct {
	Place   string  `json:"place,omitempty"` // L1, L2, L3, memory; else between them
	Bytes   int     `json:"bytes"`
	Threads int     `json:"threads"`
	Copy    float64 `json:"copy"`
	Triad   float64 `json:"triad,omitempty"`
}
