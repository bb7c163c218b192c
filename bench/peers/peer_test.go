package peers

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/kernels"
)

// begin starts a program, or skips the test with the line that tells how to get
// it.
func begin(t *testing.T, p Program) *Peer {
	t.Helper()
	peer, err := Start(p)
	var missing *Missing
	if errors.As(err, &missing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := peer.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return peer
}

// TestProducts: a peer computes what a plain loop over Fill's operands does, in
// float64, to 1e-5, which is ten roundings of sums of 40 products below 1.
func TestProducts(t *testing.T) {
	const m, n, k, tolerance = 5, 7, 40, 1e-5
	for _, p := range []Program{OneDNN, OpenBLAS} {
		t.Run(p.Name, func(t *testing.T) {
			peer := begin(t, p)
			x, w := Fill(X, make([]float32, m*k)), Fill(W, make([]float32, k*n))
			for _, j := range []Job{{Kind: MatMul}, {Kind: MatMul, Op: kernels.NT}, {Kind: MatMul, Op: kernels.TN},
				{Kind: MatMulPacked}, {Kind: MatMulPacked, Op: kernels.NT, Threads: 2}} {
				j.M, j.N, j.K, j.Threads = m, n, k, max(j.Threads, 1)
				got, err := peer.Result(j)
				if err != nil || len(got) != m*n {
					t.Fatalf("%+v: %d results, %v", j, len(got), err)
				}
				for i := range m {
					for c := range n {
						sum := 0.0
						for q := range k {
							a, b := x[i*k+q], w[q*n+c]
							if j.Op == kernels.TN {
								a = x[q*m+i]
							}
							if j.Op == kernels.NT {
								b = w[c*k+q]
							}
							sum += float64(a) * float64(b)
						}
						if math.Abs(sum-float64(got[i*n+c])) > tolerance {
							t.Fatalf("%+v: element %d, %d is %g, want %g", j, i, c, got[i*n+c], sum)
						}
					}
				}
				took, err := peer.Time(j, 2, 3)
				if err != nil || len(took) != 3 {
					t.Errorf("%+v: Time: %v, %v", j, took, err)
				}
			}
			if _, err := peer.Time(Job{Kind: AttentionForward, M: 1, N: 1, K: 1, Threads: 1}, 1, 1); err == nil || !strings.Contains(err.Error(), "does not know") {
				t.Errorf("work of another kind: %v", err)
			}
			if _, err := peer.Time(Job{Kind: MatMul, M: 1, N: 1, K: 1, Threads: 1}, 1, 1); err != nil {
				t.Errorf("after a refusal: %v", err)
			}
		})
	}
}

func TestStream(t *testing.T) {
	peer := begin(t, Stream)
	a, b := Fill(A, make([]float32, 100)), Fill(B, make([]float32, 100))
	for _, threads := range []int{1, 2} {
		got, err := peer.Result(Job{Kind: Triad, M: 100, K: 2, Threads: threads})
		if err != nil || len(got) != 100 {
			t.Fatalf("%d results, %v", len(got), err)
		}
		for i := range got {
			if want := a[i] + 3*b[i]; math.Abs(float64(want-got[i])) > 1e-6 { // a rounding, if it is not fused
				t.Fatalf("element %d is %g, want %g", i, got[i], want)
			}
		}
	}
}

// TestEnded: a peer that ends instead of replying says why, and is not waited
// for.
func TestEnded(t *testing.T) {
	sh := "/bin/sh"
	if _, err := os.Stat(sh); err != nil {
		t.Skip(err)
	}
	if _, err := start("broken", nil, sh, "-c", "echo no engine >&2; exit 3"); err == nil || err.Error() != "no engine" {
		t.Errorf("error %v, want what it said", err)
	}
}

// TestMissing: without gcc on the path, or with a library that does not exist,
// the error is the line that tells how to get it.
func TestMissing(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	var missing *Missing
	nothing := OpenBLAS
	nothing.flags = []string{"-lno-such-library"}
	if _, err := Start(nothing); !errors.As(err, &missing) || !strings.Contains(err.Error(), "libopenblas-pthread-dev") {
		t.Errorf("a missing library: %v", err)
	}
	t.Setenv("PATH", filepath.Join(t.TempDir(), "empty"))
	t.Setenv(PythonVariable, "")
	for _, p := range Programs() {
		_, err := Start(p)
		if !errors.As(err, &missing) || !strings.Contains(err.Error(), p.Get) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s without a path: %v", p.Name, err)
		}
	}
}

// TestFill: values are spread over [-1, 1), and differ between operands. That
// they are those of the other side of the pipe, TestProducts shows.
func TestFill(t *testing.T) {
	x := Fill(X, make([]float32, 1000))
	sum := 0.0
	for _, v := range x {
		if v < -1 || v >= 1 {
			t.Fatalf("value %g", v)
		}
		sum += float64(v)
	}
	if math.Abs(sum/1000) > 0.1 { // five standard errors of the mean
		t.Errorf("mean %g", sum/1000)
	}
	if y := Fill(W, make([]float32, 2)); y[0] == x[0] || y[1] == x[1] {
		t.Error("two operands have the same values")
	}
}

// TestHeld: a library on a machine without AVX-512 says so in its version, and PyTorch
// cannot be told.
func TestHeld(t *testing.T) {
	if _, ok := PyTorch.Held("AVX2"); ok {
		t.Error("PyTorch can be held to AVX2: say how")
	}
	says := map[string]*regexp.Regexp{
		"oneDNN":   regexp.MustCompile("instruction set 0x[37]$"), // AVX2 or less
		"OpenBLAS": regexp.MustCompile(" (Haswell|Zen|Sandybridge|Nehalem) "),
	}
	for _, program := range []Program{OneDNN, OpenBLAS} {
		t.Run(program.Name, func(t *testing.T) {
			held, ok := program.Held("AVX2")
			if !ok {
				t.Fatal("it cannot be held to AVX2")
			}
			p, err := Start(held)
			var missing *Missing
			if errors.As(err, &missing) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			if !says[program.Name].MatchString(p.Version) {
				t.Errorf("held to AVX2 it is %q, want %v", p.Version, says[program.Name])
			}
		})
	}
}
