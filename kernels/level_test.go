package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// eachLevel runs a test once at every level that the machine has. A level that
// LOWRANK_REQUIRE names (a list with commas) must be among them, so that on the
// machine that is there to test it a level is not skipped unnoticed.
func eachLevel(t *testing.T, body func(t *testing.T)) {
	t.Helper()
	for _, name := range strings.FieldsFunc(os.Getenv("LOWRANK_REQUIRE"), func(r rune) bool { return r == ',' }) {
		l, err := ParseLevel(name)
		if err == nil {
			err = missing(l)
		}
		if err != nil {
			t.Errorf("LOWRANK_REQUIRE: %v", err)
		}
	}
	before := Active()
	defer SetLevel(before)
	for _, l := range Levels() {
		if err := SetLevel(l); err != nil {
			t.Fatal(err)
		}
		t.Run(l.String(), body)
	}
}

// eachLevelBench is eachLevel for a benchmark.
func eachLevelBench(b *testing.B, body func(b *testing.B)) {
	before := Active()
	defer SetLevel(before)
	for _, l := range Levels() {
		if err := SetLevel(l); err != nil {
			b.Fatal(err)
		}
		b.Run(l.String(), body)
	}
}

// A guarded is a matrix between canaries: before it, behind it and in the
// padding of its rows.
type guarded struct {
	name           string
	rows, cols, ld int
	x              []float32 // what a kernel is given, exactly as long as it needs
	all, before    []float32
}

const guard = 19 // odd, so that vectors are not aligned

// canary is a NaN that no computation makes: reading it spoils a result, writing
// over it shows.
var canary = math.Float32frombits(0x7fc0dead)

// newGuarded returns a matrix of numbers drawn by value.
func newGuarded(name string, rows, cols, ld int, value func() float32) *guarded {
	need := 0
	if rows > 0 && cols > 0 {
		need = (rows-1)*ld + cols
	}
	g := &guarded{name: name, rows: rows, cols: cols, ld: ld}
	g.all = slices.Repeat([]float32{canary}, need+2*guard)
	g.x = g.all[guard : guard+need : guard+need]
	for i := range rows {
		for j := range cols {
			g.x[i*ld+j] = value()
		}
	}
	g.before = slices.Clone(g.all)
	return g
}

// check returns what is wrong around the matrix, and in it if it is read-only.
func (g *guarded) check(readOnly bool) error {
	for i, v := range g.all {
		if math.Float32bits(v) == math.Float32bits(g.before[i]) {
			continue
		}
		at := i - guard
		if at < 0 || at >= len(g.x) || at%g.ld >= g.cols {
			return fmt.Errorf("%s (%d×%d, ld %d): canary at element %d overwritten with %g", g.name, g.rows, g.cols, g.ld, at, v)
		}
		if readOnly {
			return fmt.Errorf("%s (%d×%d, ld %d): read-only element %d changed from %g to %g", g.name, g.rows, g.cols, g.ld, at, g.before[i], v)
		}
	}
	return nil
}

// normal returns a source of standard normal numbers.
func normal(seed uint64) func() float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	return func() float32 { return float32(r.NormFloat64()) }
}

// panics returns what f panics with, "" if it does not.
func panics(f func()) (message string) {
	defer func() {
		if v := recover(); v != nil {
			message = fmt.Sprint(v)
		}
	}()
	f()
	return ""
}

func TestLevelNames(t *testing.T) {
	for _, l := range []Level{Generic, AVX2, AVX512, NEON} {
		got, err := ParseLevel(strings.ToUpper(l.String()))
		if err != nil || got != l {
			t.Errorf("ParseLevel(%q) = %v, %v", l.String(), got, err)
		}
	}
	if _, err := ParseLevel("sse9"); err == nil || !strings.Contains(err.Error(), `"sse9": want one of generic, avx2`) {
		t.Errorf("ParseLevel(sse9): %v", err)
	}
}

func TestChoose(t *testing.T) {
	levels := Levels()
	best := levels[len(levels)-1]
	if levels[0] != Generic || !slices.IsSorted(levels) {
		t.Errorf("Levels() = %v", levels)
	}
	foreign := "neon"
	if runtime.GOARCH == "arm64" {
		foreign = "avx512"
	}
	for _, test := range []struct {
		wish string
		want Level
		err  string
	}{
		{"", best, ""},
		{"Generic", Generic, ""},
		{"fast", best, `LOWRANK_SIMD: kernels: level "fast"`},
		{foreign, best, fmt.Sprintf("LOWRANK_SIMD: kernels: level %s: not built into this version", foreign)},
	} {
		got, err := choose(test.wish)
		if got != test.want || (err == nil) != (test.err == "") || err != nil && !strings.HasPrefix(err.Error(), test.err) {
			t.Errorf("choose(%q) = %v, %v; want %v, %q", test.wish, got, err, test.want, test.err)
		}
	}
}

func TestSetLevel(t *testing.T) {
	before := Active()
	defer SetLevel(before)
	for l := range Level(len(levelNames) + 1) {
		if missing(l) == nil {
			continue
		}
		if err := SetLevel(l); err == nil || Active() != before {
			t.Errorf("SetLevel(%v) = %v, and the level is %v", l, err, Active())
		}
	}
	if err := SetLevel(Generic); err != nil || Active() != Generic {
		t.Errorf("SetLevel(generic) = %v, and the level is %v", err, Active())
	}
}

func TestCPU(t *testing.T) {
	c := CPU()
	if c.L1D < 4<<10 || c.L2 < c.L1D || c.L3 < c.L1D || c.Cores < 1 {
		t.Errorf("CPU() = %+v", c)
	}
}
