package kernels

import (
	"fmt"
	"os"
	"strings"

	"github.com/klauspost/cpuid/v2"
)

// A Level is a set of kernels, named after the instructions that they need.
type Level uint8

// The levels. Generic is plain Go, runs everywhere and is what the others are
// tested against.
const (
	Generic Level = iota
	AVX2          // AVX2 and FMA
	AVX512        // AVX-512 F, BW, DQ and VL, beside AVX2
	NEON
)

var levelNames = [...]string{Generic: "generic", AVX2: "avx2", AVX512: "avx512", NEON: "neon"}

// String returns the level's name as LOWRANK_SIMD takes it.
func (l Level) String() string {
	if int(l) < len(levelNames) {
		return levelNames[l]
	}
	return fmt.Sprintf("Level(%d)", uint8(l))
}

// ParseLevel returns the level of a name that String returns, in any case.
func ParseLevel(name string) (Level, error) {
	for l, s := range levelNames {
		if strings.EqualFold(name, s) {
			return Level(l), nil
		}
	}
	return Generic, fmt.Errorf("kernels: level %q: want one of %s", name, strings.Join(levelNames[:], ", "))
}

var active, activeErr = choose(os.Getenv("LOWRANK_SIMD"))

// choose returns the level that a wish names, or the best one when the wish is
// empty or, with an error, when it cannot be granted.
func choose(wish string) (Level, error) {
	levels := Levels()
	best := levels[len(levels)-1]
	if wish == "" {
		return best, nil
	}
	l, err := ParseLevel(wish)
	if err == nil {
		err = missing(l)
	}
	if err != nil {
		return best, fmt.Errorf("LOWRANK_SIMD: %w", err)
	}
	return l, nil
}

// Active returns the level that the kernels run at: at start the best of
// Levels, or the one that the environment variable LOWRANK_SIMD names.
func Active() Level { return active }

// Err returns the reason why LOWRANK_SIMD was not followed, nil if it was.
func Err() error { return activeErr }

// Levels returns the levels that are built into this program and that this
// machine has, in ascending order. The first one is Generic.
func Levels() []Level {
	var levels []Level
	for l := range levelNames {
		if missing(Level(l)) == nil {
			levels = append(levels, Level(l))
		}
	}
	return levels
}

// SetLevel makes the kernels run at level l, for a test, a benchmark or a
// command's flag. It returns an error with the reason, and changes nothing, if
// l is not among Levels. It must not be called while a kernel runs.
func SetLevel(l Level) error {
	if err := missing(l); err != nil {
		return err
	}
	active = l
	return nil
}

// Info describes the processor: its brand, the data caches that one core can
// use in bytes, and its physical cores.
type Info struct {
	Brand       string
	L1D, L2, L3 int
	Cores       int
}

var machine = readCPU()

// CPU describes the machine. A cache size that cannot be found out is given as
// 32 KiB, 512 KiB or 4 MiB.
func CPU() Info { return machine }

func readCPU() Info {
	known := func(found, otherwise int) int {
		if found <= 0 {
			return otherwise
		}
		return found
	}
	c := &cpuid.CPU
	return Info{
		Brand: c.BrandName,
		L1D:   known(c.Cache.L1D, 32<<10),
		L2:    known(c.Cache.L2, 512<<10),
		L3:    known(c.Cache.L3, 4<<20),
		Cores: known(c.PhysicalCores, 1),
	}
}
