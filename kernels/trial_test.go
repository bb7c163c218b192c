package kernels

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"runtime/debug"
	"unsafe"
)

// A kernel is an exported function under trial. draw takes the sizes and operands
// of one call from t, and gives t the call and what it must result in.
type kernel struct {
	name   string
	finite bool // what becomes of NaN and Inf is not defined element by element
	draw   func(t *trial)
}

// A placement is where operands lie.
type placement uint8

const (
	atStart placement = iota // right behind a page that cannot be read
	atEnd                    // right before one
	between                  // at any multiple of their elements' size
	placements
)

// A trial is one call of a kernel on operands drawn at random.
type trial struct {
	decisions
	kernel   kernel
	at       placement
	operands []*operand
	call     func()
	checks   []func() error
}

// An operand is a matrix with canaries around it and in the padding of its rows.
type operand struct {
	name           string
	rows, cols, ld int
	x              []float32 // nil if its elements are not float32
	written        bool

	element       int    // bytes
	fence, window []byte // the memory between the pages; the part of it that is watched
	first         int    // of the operand in the window
	before        []byte // the window
	was           []float32
}

// margin is how many bytes are watched on each side.
const margin = 256

// arenas are the memories of the operands of one trial.
var arenas [][]byte

const arenaSize = 1 << 21 // of the largest w0 that sizes draws, 417×1024

func (t *trial) arena() []byte {
	if len(t.operands) == len(arenas) {
		m, err := newFence(arenaSize)
		if err != nil {
			panic(err)
		}
		arenas = append(arenas, m)
	}
	return arenas[len(t.operands)]
}

// place draws an operand of any element type, with random bytes in it.
func place[T any](t *trial, name string, rows, cols, pad int) (*operand, []T) {
	element := int(unsafe.Sizeof(*new(T)))
	o := &operand{name: name, rows: rows, cols: cols, ld: cols + pad, element: element, fence: t.arena()}
	n := 0
	if rows > 0 && cols > 0 {
		n = (rows-1)*o.ld + cols
	}
	size := n * element
	start := 0
	switch t.at {
	case atEnd:
		start = len(o.fence) - size
	case between:
		start = margin + (t.shift+5*len(t.operands))%64*element
	}
	if size+2*margin+64*element > len(o.fence) {
		panic(fmt.Sprintf("%s is %d×%d, ld %d: more than %d bytes", name, rows, cols, o.ld, len(o.fence)))
	}
	low, high := max(start-margin, 0), min(start+size+margin, len(o.fence))
	o.window, o.first = o.fence[low:high], start-low
	for at := low &^ 3; at < high; at += 4 { // every four bytes
		binary.NativeEndian.PutUint32(o.fence[at:], math.Float32bits(canary))
	}
	x := unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(o.fence[start:]))), n)[:n:n]
	if n == 0 {
		x = []T{}
	}
	o.x, _ = any(x).([]float32)
	t.operands = append(t.operands, o)
	return o, x
}

// in draws a matrix that the kernel reads; with one row it has no padding.
func (t *trial) in(name string, rows, cols int) *operand {
	pad := 0
	if rows != 1 {
		pad = max(0, t.below(9)-3)
	}
	o, _ := place[float32](t, name, rows, cols, pad)
	o.each(func(i, j int) { o.x[i*o.ld+j] = t.value() })
	return o
}

// out draws a matrix that the kernel writes.
func (t *trial) out(name string, rows, cols int) *operand {
	o := t.in(name, rows, cols)
	o.written = true
	return o
}

// outOr is out or, if the kernel allows that, one of its inputs of the same shape.
func (t *trial) outOr(allowed bool, name string, rows, cols int, inputs ...*operand) *operand {
	if which := t.below(2 * len(inputs)); allowed && which < len(inputs) {
		inputs[which].written = true
		return inputs[which]
	}
	return t.out(name, rows, cols)
}

// each calls f for every element.
func (o *operand) each(f func(i, j int)) {
	for i := range o.rows {
		for j := range o.cols {
			f(i, j)
		}
	}
}

// old is element (i, j) before the call.
func (o *operand) old(i, j int) bounded { return exactly(o.was[i*o.ld+j]) }

// oldT is element (i, j) of the transpose.
func (o *operand) oldT(i, j int) bounded { return o.old(j, i) }

// want demands of o the numbers that f gives, or what was there plus these if acc is
// set.
func (t *trial) want(o *operand, acc bool, f func(i, j int) bounded) {
	t.checks = append(t.checks, func() (err error) {
		o.each(func(i, j int) {
			if err != nil {
				return
			}
			want := f(i, j)
			if acc {
				want = o.old(i, j).add(want)
			}
			if got := o.x[i*o.ld+j]; !want.meets(got) {
				err = fmt.Errorf("%s[%d][%d] = %v, want %v ± %.2g", o.name, i, j, got, want.v, boundFactor*want.err)
			}
		})
		return err
	})
}

// wantRows is want for numbers that are best computed a row at a time.
func (t *trial) wantRows(o *operand, acc bool, f func(i int) []bounded) {
	row, at := []bounded(nil), -1
	t.want(o, acc, func(i, j int) bounded {
		if i != at {
			row, at = f(i), i
		}
		return row[j]
	})
}

// wantThat demands something of the results that is not a bound.
func (t *trial) wantThat(f func() error) { t.checks = append(t.checks, f) }

// run calls the kernel and looks at everything around its results.
func (t *trial) run() (err error) {
	for _, o := range t.operands {
		o.before = bytes.Clone(o.window)
		o.was = append([]float32(nil), o.x...)
	}
	if err := t.guardedCall(); err != nil {
		return err
	}
	if err := checkCallee(); err != nil {
		return err
	}
	for _, o := range t.operands {
		if err := o.intact(); err != nil {
			return err
		}
	}
	return nil
}

// guardedCall returns a fault as an error that names the operand it was beside.
func (t *trial) guardedCall() (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch fault := recover().(type) {
		case nil:
		case interface{ Addr() uintptr }:
			err = t.blame(fault.Addr())
		default:
			err = fmt.Errorf("panic: %v", fault)
		}
	}()
	if soilRegisters != nil {
		soilRegisters()
	}
	t.call()
	return nil
}

// blame says which operand the address of a fault is beside.
func (t *trial) blame(addr uintptr) error {
	for _, o := range t.operands {
		base := uintptr(unsafe.Pointer(unsafe.SliceData(o.window)))
		first := base + uintptr(o.first)
		end := first + uintptr(len(o.window)-o.first)
		fence := uintptr(unsafe.Pointer(unsafe.SliceData(o.fence)))
		if addr+4096 >= fence && addr < fence+uintptr(len(o.fence))+4096 {
			return fmt.Errorf("a fault beside %s: it was touched at byte %d of %d (%d×%d, ld %d)",
				o.name, int(addr)-int(first), int(end-first), o.rows, o.cols, o.ld)
		}
	}
	return fmt.Errorf("a fault at %#x, beside no operand", addr)
}

// intact returns what was written that should not have been.
func (o *operand) intact() error {
	if bytes.Equal(o.window, o.before) {
		return nil
	}
	for at, b := range o.window {
		if b == o.before[at] {
			continue
		}
		i := at - o.first
		element := i / o.element
		inside := i >= 0 && o.rows > 0 && o.cols > 0 && element/o.ld < o.rows && element%o.ld < o.cols
		switch {
		case !inside:
			return fmt.Errorf("%s (%d×%d, ld %d): canary at byte %d overwritten", o.name, o.rows, o.cols, o.ld, i)
		case !o.written:
			return fmt.Errorf("%s (%d×%d, ld %d): element %d, which is only read, was written", o.name, o.rows, o.cols, o.ld, element)
		}
	}
	return nil
}

// results returns a copy of all that was written.
func (t *trial) results() (results [][]float32) {
	for _, o := range t.operands {
		if o.written {
			results = append(results, append([]float32(nil), o.x...))
		}
	}
	return results
}

// sameNumbers is sameBits, but any NaN is as good as another.
func sameNumbers(got, want []float32) error {
	for i, v := range want {
		if v == v || got[i] == got[i] {
			if err := sameBits(got[i:i+1], want[i:i+1]); err != nil {
				return fmt.Errorf("element %d: %w", i, err)
			}
		}
	}
	return nil
}

// try runs one draw in every placement, and with several threads. The results of
// the first must be right, and the others the same bits.
func (k kernel) try(draw func() decisions) (err error) {
	var first [][]float32
	run := func(at placement, threads int, first [][]float32) (results [][]float32) {
		t := &trial{decisions: draw(), kernel: k, at: at}
		if k.finite && t.flavour == 3 {
			t.flavour = 0
		}
		k.draw(t)
		atThreads(threads, func() { err = t.run() })
		if err == nil && first == nil {
			for _, check := range t.checks {
				if err = check(); err != nil {
					break
				}
			}
		}
		results = t.results()
		for i := range first {
			if err == nil {
				err = sameNumbers(results[i], first[i])
			}
		}
		if err != nil {
			err = fmt.Errorf("%s, placed %d, %d threads: %w", t, at, threads, err)
		}
		return results
	}
	for at := range placements {
		if results := run(at, 1, first); first == nil {
			first = results
		}
		if err != nil {
			return err
		}
	}
	run(between, 3, first)
	return err
}

// String names the operands with their shapes.
func (t *trial) String() string {
	var s bytes.Buffer
	fmt.Fprintf(&s, "values %d", t.flavour)
	for _, o := range t.operands {
		fmt.Fprintf(&s, ", %s %d×%d (ld %d)", o.name, o.rows, o.cols, o.ld)
	}
	return s.String()
}
