package pretrained

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// A Checkpoint is the tensors of a folder, be they in one file or in shards.
type Checkpoint struct {
	dir    string
	names  []string
	files  []*Safetensors
	holder map[string]*Safetensors // of each tensor
}

// OpenCheckpoint opens the tensors of a folder as [ReadSafetensors] does:
// model.safetensors or, where there is none, the shards that
// model.safetensors.index.json names. The index and its shards must name the
// same tensors. An error names the file, and the tensor where one is to blame:
// an index that is larger than 64 MiB or not of its form; a shard that is
// absent, damaged or elsewhere than in the folder; a tensor that is not where
// the index has it, that the index lacks, or that two shards hold. Pickled
// weights are never read, since a pickle is a program: if there are no others,
// the error says how to convert them.
func OpenCheckpoint(dir string) (*Checkpoint, error) {
	c := &Checkpoint{dir: dir, holder: map[string]*Safetensors{}}
	if err := c.open(); err != nil {
		c.Close()
		return nil, err
	}
	c.names = slices.Sorted(maps.Keys(c.holder))
	return c, nil
}

func (c *Checkpoint) open() error {
	err := c.add(WeightsFile)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	index := filepath.Join(c.dir, IndexFile)
	shards, err := readIndex(index)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return noWeights(c.dir)
	case err != nil:
		return err
	}
	for _, shard := range slices.Compact(slices.Sorted(maps.Values(shards))) {
		if err := c.add(shard); err != nil {
			return fmt.Errorf("%w (a shard of %s)", err, IndexFile)
		}
	}
	return c.check(index, shards)
}

// add opens a file of the folder.
func (c *Checkpoint) add(file string) error {
	s, err := ReadSafetensors(filepath.Join(c.dir, file))
	if err != nil {
		return err
	}
	c.files = append(c.files, s)
	for _, name := range s.Names() {
		if other := c.holder[name]; other != nil {
			return fmt.Errorf("pretrained: %s: tensor %q is also in %s", s.file, name, filepath.Base(other.file))
		}
		c.holder[name] = s
	}
	return nil
}

// check holds the index against what its shards hold.
func (c *Checkpoint) check(index string, shards map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(shards)) {
		s := c.holder[name]
		switch {
		case s == nil:
			return fmt.Errorf("pretrained: %s: tensor %q is not in %s", index, name, shards[name])
		case filepath.Base(s.file) != shards[name]:
			return fmt.Errorf("pretrained: %s: tensor %q is not in %s but in %s", index, name, shards[name], filepath.Base(s.file))
		}
	}
	for _, s := range c.files {
		for _, name := range s.Names() {
			if _, ok := shards[name]; !ok {
				return fmt.Errorf("pretrained: %s: tensor %q is not in %s", s.file, name, IndexFile)
			}
		}
	}
	return nil
}

// noWeights is the error for a folder without safetensors.
func noWeights(dir string) error {
	list, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("pretrained: %w", err)
	}
	for _, f := range list {
		switch filepath.Ext(f.Name()) {
		case ".bin", ".pt", ".pth", ".ckpt":
			return fmt.Errorf("pretrained: %s: the weights are pickled, which are never read since a pickle is a program: convert them by model.save_pretrained(dir, safe_serialization=True)", filepath.Join(dir, f.Name()))
		}
	}
	return fmt.Errorf("pretrained: %s: neither %s nor %s is there", dir, WeightsFile, IndexFile)
}

// Close closes all files as [Safetensors.Close] does: what Tensor and Raw
// returned dies with them. It returns the first error.
func (c *Checkpoint) Close() (first error) {
	for _, s := range c.files {
		if err := s.Close(); first == nil {
			first = err
		}
	}
	return first
}

// Names returns the names of the tensors of all files, sorted.
func (c *Checkpoint) Names() []string { return c.names }

// File returns the path of the file that holds a tensor, "" if there is no
// such tensor.
func (c *Checkpoint) File(name string) string {
	if s := c.holder[name]; s != nil {
		return s.file
	}
	return ""
}

// Shape returns a tensor's shape, and whether there is such a tensor.
func (c *Checkpoint) Shape(name string) ([]int, bool) {
	if s := c.holder[name]; s != nil {
		return s.Shape(name)
	}
	return nil, false
}

// DType returns the type of a tensor's values as its file has it, and whether
// there is such a tensor.
func (c *Checkpoint) DType(name string) (string, bool) {
	if s := c.holder[name]; s != nil {
		return s.DType(name)
	}
	return "", false
}

// Tensor returns a tensor as [Safetensors.Tensor] does.
func (c *Checkpoint) Tensor(name string) (Tensor, error) {
	s, err := c.find(name)
	if err != nil {
		return Tensor{}, err
	}
	return s.Tensor(name)
}

// Ints returns the values of an integer tensor as [Safetensors.Ints] does.
func (c *Checkpoint) Ints(name string) ([]int64, error) {
	s, err := c.find(name)
	if err != nil {
		return nil, err
	}
	return s.Ints(name)
}

// Raw returns a tensor's type and bytes as [Safetensors.Raw] does.
func (c *Checkpoint) Raw(name string) (dtype string, b []byte, err error) {
	s, err := c.find(name)
	if err != nil {
		return "", nil, err
	}
	return s.Raw(name)
}

// forget lets the system drop a tensor from memory until it is read again.
func (c *Checkpoint) forget(name string) { forget(c.mapped(name)) }

// unwritten returns a function that does so unless something was written into the
// tensor; nil where it is not mapped. The mapping then stays.
func (c *Checkpoint) unwritten(name string) func() {
	b := c.mapped(name)
	if b == nil {
		return nil
	}
	c.holder[name].lend()
	return func() {
		if untouched(b) {
			forget(b)
		}
	}
}

// mapped returns the bytes of a tensor in the mapping of its file, nil where there is
// none.
func (c *Checkpoint) mapped(name string) []byte {
	if s := c.holder[name]; s != nil && s.memory != nil && s.memory.mapped {
		if _, b, err := s.bytes(name); err == nil {
			return b
		}
	}
	return nil
}

func (c *Checkpoint) find(name string) (*Safetensors, error) {
	s := c.holder[name]
	if s == nil {
		return nil, fmt.Errorf("pretrained: %s: no tensor %q", c.dir, name)
	}
	return s, nil
}
