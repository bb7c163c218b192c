package pretrained

import (
	"fmt"
	"os"
	"runtime"
	"slices"
)

// Safetensors is a checked file of tensors. Values are decoded when they are
// asked for.
type Safetensors struct {
	Metadata map[string]string // of "__metadata__"; nil where there is none

	file    string
	names   []string
	entries map[string]entry
	data    []byte
	memory  *memory // of data; nil where the caller has it
}

// ReadSafetensors opens a file and checks its header as [ParseSafetensors]
// does. It maps a large file into memory, where the system can, and reads a
// small one; either way what [Safetensors.Tensor] and [Safetensors.Raw] return
// are parts of that memory, which may be written to: the file stays as it is,
// and who asks for the same tensor again sees the change.
//
// A mapping is there until [Safetensors.Close], or until a Safetensors that
// has given no part of it away is collected. While it is there, the file must
// not be cut: to touch what was cut off is a fault (SIGBUS) that ends the
// program. To replace the file by renaming another onto it is safe.
func ReadSafetensors(path string) (*Safetensors, error) {
	const mapFrom = 32 << 20 // reading less than this takes some milliseconds
	return readSafetensors(path, mapFrom)
}

// readSafetensors maps a file that has mapFrom bytes or more.
func readSafetensors(path string, mapFrom int64) (*Safetensors, error) {
	m, err := openMemory(path, mapFrom)
	if err != nil {
		return nil, err
	}
	s, err := ParseSafetensors(path, m.bytes)
	if err != nil {
		m.close()
		return nil, err
	}
	s.memory = m
	return s, nil
}

// readFile reads a regular file of at most max bytes.
func readFile(path string, max int64) ([]byte, error) {
	if err := checkFile(path, max); err != nil {
		return nil, err
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("pretrained: %w", err)
	}
	return b, nil
}

// checkFile is an error unless path is a regular file of at most max bytes.
func checkFile(path string, max int64) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return fmt.Errorf("pretrained: %w", err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("pretrained: %s: not a regular file", path)
	case info.Size() > max:
		return fmt.Errorf("pretrained: %s: %d bytes: must be at most %d", path, info.Size(), max)
	}
	return nil
}

// ParseSafetensors checks the header of b, the contents of the file named,
// and keeps b. An error names the file, and the tensor where one is to blame:
// a header that is too long, truncated or no JSON; a name that stands twice; a
// shape that overflows or does not fit its bytes; tensors that overlap, leave
// a hole, or do not end where the file ends.
func ParseSafetensors(file string, b []byte) (*Safetensors, error) {
	entries, metadata, data, err := parseHeader(b)
	if err != nil {
		return nil, fmt.Errorf("pretrained: %s: %w", file, err)
	}
	s := &Safetensors{Metadata: metadata, file: file, names: make([]string, len(entries)), entries: make(map[string]entry, len(entries)), data: data}
	for i, e := range entries {
		s.names[i] = e.name
		s.entries[e.name] = e
	}
	slices.Sort(s.names)
	return s, nil
}

// Close gives back the memory of a file that was mapped. Everything that
// [Safetensors.Tensor] and [Safetensors.Raw] returned dies with it: to touch
// it afterwards is a fault that ends the program. So close a file when its
// tensors were copied, or are no longer used. Names, shapes and types stay;
// to ask for values is an error. To close twice does nothing.
func (s *Safetensors) Close() error {
	s.data = nil
	if s.memory == nil || s.memory.closed {
		return nil
	}
	if err := s.memory.close(); err != nil {
		return fmt.Errorf("pretrained: %s: %w", s.file, err)
	}
	return nil
}

// Names returns the names of all tensors, sorted.
func (s *Safetensors) Names() []string { return s.names }

// Shape returns a tensor's shape, and whether there is such a tensor.
func (s *Safetensors) Shape(name string) ([]int, bool) {
	e, ok := s.entries[name]
	return e.shape, ok
}

// DType returns the type of a tensor's values as the file has it, such as
// "BF16", and whether there is such a tensor.
func (s *Safetensors) DType(name string) (string, bool) {
	e, ok := s.entries[name]
	return e.dtype, ok
}

// Raw returns a tensor's type and its bytes, little-endian, row by row, which
// are those of the file in memory and not a copy. It is an error if there is
// no such tensor.
func (s *Safetensors) Raw(name string) (dtype string, b []byte, err error) {
	e, b, err := s.bytes(name)
	if err != nil {
		return "", nil, err
	}
	s.lend()
	return e.dtype, b, nil
}

// lend notes that a part of the memory outlives s.
func (s *Safetensors) lend() {
	if s.memory != nil {
		s.memory.lent.Store(true)
	}
}

// bytes returns a tensor's part of the data. Who does not lend it must keep s
// alive while using it.
func (s *Safetensors) bytes(name string) (entry, []byte, error) {
	e, ok := s.entries[name]
	switch {
	case !ok:
		return e, nil, fmt.Errorf("pretrained: %s: no tensor %q", s.file, name)
	case s.memory != nil && s.memory.closed:
		return e, nil, fmt.Errorf("pretrained: %s: tensor %q: the file is closed", s.file, name)
	}
	return e, s.data[e.start:e.end:e.end], nil
}

// keep keeps what s has mapped until here.
func (s *Safetensors) keep() { runtime.KeepAlive(s.memory) }
