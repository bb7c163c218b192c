package pretrained

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"sync/atomic"
)

// memory holds the bytes of a file: a mapping, which must be given back, or
// an array that the garbage collector owns.
type memory struct {
	bytes   []byte
	mapped  bool
	closed  bool
	lent    *atomic.Bool // some slice of bytes outlives this
	cleanup runtime.Cleanup
}

// openMemory maps a file that has mapFrom bytes or more, and otherwise, or
// where nothing can be mapped, reads it.
func openMemory(path string, mapFrom int64) (*memory, error) {
	if err := checkFile(path, math.MaxInt); err != nil {
		return nil, err
	}
	m := &memory{lent: new(atomic.Bool)}
	b, err := mapFile(path, max(mapFrom, 1))
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		m.bytes, err = readFile(path, math.MaxInt)
		return m, err
	case err != nil:
		return nil, fmt.Errorf("pretrained: %w", err)
	}
	m.bytes, m.mapped = b, true
	// A slice of a mapping keeps nothing alive: unmap only if there is none.
	m.cleanup = runtime.AddCleanup(m, func(lent *atomic.Bool) {
		if !lent.Load() {
			unmap(b)
		}
	}, m.lent)
	return m, nil
}

// mapFile maps a file of at least from bytes. The error is
// [errors.ErrUnsupported] if it is smaller or cannot be mapped.
func mapFile(path string, from int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // a mapping does without
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	switch n := info.Size(); {
	case n < from:
		return nil, errors.ErrUnsupported
	case n > math.MaxInt:
		return nil, fmt.Errorf("%s: %d bytes: must be at most %d", path, n, math.MaxInt)
	default:
		b, err := mapPrivate(f, int(n))
		if err != nil && !errors.Is(err, errors.ErrUnsupported) {
			err = &os.PathError{Op: "mmap", Path: path, Err: err}
		}
		return b, err
	}
}

// close gives the bytes back; closed is then set.
func (m *memory) close() error {
	b := m.bytes
	m.bytes, m.closed = nil, true
	if !m.mapped {
		return nil
	}
	m.cleanup.Stop()
	return unmap(b)
}
