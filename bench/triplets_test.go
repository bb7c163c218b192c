package bench

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lowrank/lowrank/bench/peers"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/lora/initial"
	"github.com/lowrank/lowrank/nn"
)

// BenchmarkTriplets starts PiSSA on a large weight, and has scikit-learn's
// randomized_svd find as many triplets of it, turn by turn: ×sklearn is the median
// of the ratios of times. The weight is Gaussian with columns that fall as a power,
// and flat, the hardest case. ‰off is how far the last singular value is below the
// larger of the two answers, which neither can exceed the exact one by. The Python
// is that of $LOWRANK_PYTHON, or python3.
func BenchmarkTriplets(b *testing.B) {
	for _, c := range []struct {
		n, k  int
		power float64
	}{{4096, 64, 0.5}, {4096, 64, 0}, {4096, 8, 0.5}, {2048, 8, 0.5}} {
		b.Run(fmt.Sprintf("n%d/k%d/power%v", c.n, c.k, c.power), func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 2))
			w := make([]float32, c.n*c.n)
			for i := range w {
				w[i] = float32(rng.NormFloat64() * math.Pow(1+float64(i%c.n), -c.power))
			}
			theirs := startSklearn(b, w, c.n, c.k)
			var ratios []float64
			var our, their float64
			for b.Loop() {
				start := time.Now()
				our = lastValue(b, w, c.n, c.k)
				seconds := time.Since(start).Seconds()
				var peer float64
				peer, their = theirs()
				ratios = append(ratios, seconds/peer)
			}
			slices.Sort(ratios)
			b.ReportMetric(ratios[len(ratios)/2], "×sklearn")
			b.ReportMetric(1000*(1-our/max(our, their)), "‰off")
			b.ReportMetric(1000*(1-their/max(our, their)), "‰off-sklearn")
		})
	}
}

// lastValue returns the k-th singular value, from the factors.
func lastValue(b *testing.B, w []float32, n, k int) float64 {
	m, err := adapter.New(nn.NewLinear("lin", n, n, w), 0, 1, delta.LoRA{}, nil, k, float64(k))
	if err == nil {
		err = initial.SVD{}.Init([]*adapter.Map{m}, adapter.Inputs{Rand: func(string) *rand.Rand { return rand.New(rand.NewPCG(0, 0)) }})
	}
	if err != nil {
		b.Fatal(err)
	}
	var squares float64
	for _, v := range m.Factor("A").Floats()[(k-1)*n:] {
		squares += float64(v) * float64(v)
	}
	return squares // of the factor with the root
}

// startSklearn returns a function that has scikit-learn decompose w once.
func startSklearn(b *testing.B, w []float32, n, k int) func() (seconds, last float64) {
	b.Helper()
	path := filepath.Join(b.TempDir(), "matrix")
	raw := make([]byte, 0, 4*len(w))
	for _, v := range w {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	if err := os.WriteFile(path, raw, 0o666); err != nil {
		b.Fatal(err)
	}
	python := os.Getenv(peers.PythonVariable)
	if python == "" {
		python = "python3"
	}
	cmd := exec.Command(python, filepath.Join("peers", "triplets.py"), path, strconv.Itoa(n), strconv.Itoa(n), strconv.Itoa(k))
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Skipf("no Python: %v", err)
	}
	b.Cleanup(func() { in.Close(); cmd.Wait() })
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	if !lines.Scan() {
		b.Skip("the Python has no scikit-learn")
	}
	return func() (seconds, last float64) {
		if _, err := io.WriteString(in, "again\n"); err != nil || !lines.Scan() {
			b.Fatalf("scikit-learn has gone: %v", err)
		}
		fields := strings.Fields(lines.Text())
		seconds, _ = strconv.ParseFloat(fields[0], 64)
		last, _ = strconv.ParseFloat(fields[len(fields)-1], 64)
		return seconds, last
	}
}
