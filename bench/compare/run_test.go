package compare

import (
	"encoding/json"
	"encoding/xml"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/bench/peers"
	"github.com/lowrank/lowrank/bench/work"
	"github.com/lowrank/lowrank/kernels"
)

// TestCell measures one small piece of work beside the peers that are here, and
// holds the shape of its JSON.
func TestCell(t *testing.T) {
	r := &run{Options: Options{Levels: kernels.Levels(), Threads: []int{1}}, pace: pace{row: 1, block: 1, sample: 1}, peers: map[string]*peers.Peer{}, report: &Report{}}
	shown := 0
	r.show = func(*Row) { shown++ }
	for _, p := range libraries {
		peer, err := peers.Start(p)
		if err != nil {
			t.Log(err)
			continue
		}
		defer peer.Close()
		r.peers[p.Name] = peer
	}
	defer kernels.SetLevel(kernels.Active())
	defer kernels.SetThreads(0)
	for _, w := range []func() *work.Work{
		func() *work.Work { return work.LowRankForward(32, 4, 16) },
		func() *work.Work { return work.LowRankBackward(32, 4, 16) },
		func() *work.Work { return work.AdaptedForward(32, 4, 16) },
		func() *work.Work { return work.AdaptedBackward(32, 4, 16) },
		func() *work.Work { return work.MatMulPacked(kernels.NT, 7, 33, 17) },
	} {
		err := r.beside(cell{"lowrank", "forward", kernels.Levels()[len(kernels.Levels())-1], 1}, w, libraries, nil, func(row *Row, _ *work.Work) {
			row.Checks = []Check{ratio(xBest, row.best("oneDNN", "OpenBLAS"), row.seconds[oursName], 1e-9)}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range r.report.Rows {
		if row.Note != "" {
			t.Errorf("a peer's result: %s", row.Note)
		}
		if want := map[bool]Verdict{true: Pass, false: NotKnown}[len(r.peers) > 0]; row.Verdict != want {
			t.Errorf("verdict %q, want %q: %+v", row.Verdict, want, row)
		}
		if len(row.Rates) != 1+len(r.peers) || row.Rates[0].Side != oursName || !(row.Rates[0].Rate > 0) {
			t.Errorf("rates %+v", row.Rates)
		}
	}
	if shown != 5 || len(r.report.Rows) != 5 {
		t.Fatalf("%d rows of 5, %d shown", len(r.report.Rows), shown)
	}
	text, err := json.Marshal(r.report)
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{`"cpu":`, `"machine":`, `"rows":[{"group":"lowrank","name":"forward","simd":"`, `"threads":1,"unit":"GFLOP/s","intensity":`, `"rates":[{"side":"ours","seconds":`, `"checks":[{"what":"× best peer",`, `"verdict":"`} {
		if !strings.Contains(string(text), field) {
			t.Errorf("the JSON lacks %s: %s", field, text)
		}
	}
}

// TestDiffers: one wrong element is seen.
func TestDiffers(t *testing.T) {
	peer, err := peers.Start(peers.OpenBLAS)
	if err != nil {
		t.Skip(err)
	}
	defer peer.Close()
	w := work.MatMul(kernels.NN, 9, 11, 13)
	w.Job.Threads = 1
	if note, err := differs(w, peer); err != nil || note != "" {
		t.Fatalf("%q, %v", note, err)
	}
	right := w.Run
	w.Run = func() { right(); w.Outputs[0][50] += 0.01 }
	if note, err := differs(w, peer); err != nil || !strings.HasPrefix(note, "result 50 is ") {
		t.Errorf("%q, %v", note, err)
	}
}

func TestWanted(t *testing.T) {
	r := &run{Options: Options{Only: regexp.MustCompile(`^lowrank/forward/.*threads=2$`)}}
	if !r.wanted(cell{"lowrank", "forward/d=4", kernels.AVX2, 2}) || r.wanted(cell{"lowrank", "backward/d=4", kernels.AVX2, 2}) {
		t.Error("the pattern is not followed")
	}
}

// plantedReport has one row of ours and a peer's.
func plantedReport() *Report {
	return &Report{
		CPU:   kernels.Info{Brand: "A processor", L1D: 32 << 10, L2: 1 << 20, L3: 32 << 20, Cores: 2},
		Peers: []Peer{{Name: "oneDNN", Version: "oneDNN 2"}, {Name: "PyTorch", Missing: "PyTorch is not here"}},
		Machine: Machine{
			Peaks: []*Peak{{Level: "avx2", Threads: 1, GFLOPS: 100, Busy: 0.5}},
			Bandwidths: []Bandwidth{{Place: "L1", Bytes: 1 << 14, Threads: 1, Copy: 200, Triad: 250},
				{Bytes: 1 << 15, Threads: 1, Copy: 150}, {Place: "memory", Bytes: 1 << 27, Threads: 1, Copy: 20, Triad: 22}},
		},
		Rows: []*Row{{Group: "lowrank", Name: "forward/d=768", Level: "avx2", Threads: 1, Unit: gflops, Intensity: 2.5,
			Rates:  []Rate{{Side: oursName, Seconds: 1e-3, Rate: 55.55}, {Side: "oneDNN", Seconds: 2e-3, Rate: 27.7}},
			Checks: []Check{{What: xBest, Got: 2, Want: 1.3}}, Verdict: Pass}},
	}
}

func TestTable(t *testing.T) {
	rep, out := plantedReport(), &strings.Builder{}
	WriteMachine(out, rep)
	WriteGroup(out, groups[0])
	WriteRow(out, groups[0], rep.Rows[0])
	WriteEnd(out, rep)
	for _, want := range []string{
		"A processor, 2 cores, L1 32 KiB, L2 1 MiB, L3 32 MiB", "\noneDNN 2\nPyTorch is not here\n", "peak avx2      1 threads    100.0 GFLOP/s",
		"memory  128 MiB  1 threads   copy   20.0 GB/s   triad   22.0 GB/s", "ours 55.5", "2.00× best peer", "pass\n",
		"1 rows pass, 0 fall short.", "The machine was busy",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, out)
		}
	}
}

func TestRoofline(t *testing.T) {
	svg := Roofline(plantedReport(), "avx2", 1)
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"FMA peak 100 GFLOP/s", "L1 250 GB/s", "memory 22 GB/s", "ours, lowrank forward/d=768: 55.5", "oneDNN, lowrank"} {
		if !strings.Contains(svg, want) {
			t.Errorf("the picture lacks %q", want)
		}
	}
	if strings.Contains(svg, "NaN") {
		t.Error("the picture has NaN")
	}
}
