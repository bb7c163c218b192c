package step

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/pretrained"
)

// WriteRandom writes the folder of a shape's model with random weights in
// bfloat16, in the memory of one tensor: matrices normal with deviation 0.02,
// norms at one.
func WriteRandom(dir string, s Shape, seed uint64) error {
	if s.family.build == nil {
		return fmt.Errorf("step: the shape %s is made of a seed only", s.Name)
	}
	tensors, err := s.tensors()
	if err != nil {
		return err
	}
	config, err := json.Marshal(s.Config())
	if err != nil {
		return err
	}
	return errors.Join(
		write(filepath.Join(dir, pretrained.WeightsFile), func(w io.Writer) error { return writeRandom(w, tensors, seed) }),
		write(filepath.Join(dir, pretrained.ConfigFile), func(w io.Writer) error { _, err := w.Write(config); return err }),
	)
}

type named struct {
	name  string
	shape []int
}

func (n named) size() int {
	size := 1
	for _, d := range n.shape {
		size *= d
	}
	return size
}

// tensors asks a model of the shape which it has; there is no memory behind the
// values that it gets.
func (s Shape) tensors() (list []named, err error) {
	_, err = s.family.build(s, ask(func(name string, shape ...int) (ag.Values, error) {
		n := named{name, shape}
		list = append(list, n)
		return ag.Values{Stored: &kernels.Stored{Format: kernels.BF16, Rows: 1, Cols: n.size()}}, nil
	}))
	return list, err
}

type ask func(name string, shape ...int) (ag.Values, error)

func (f ask) Tensor(name string, shape ...int) (ag.Values, error) { return f(name, shape...) }

var _ nn.Source = ask(nil)

// writeRandom writes a safetensors file.
func writeRandom(w io.Writer, tensors []named, seed uint64) error {
	type entry struct {
		DType   string `json:"dtype"`
		Shape   []int  `json:"shape"`
		Offsets [2]int `json:"data_offsets"`
	}
	header, at := map[string]entry{}, 0
	for _, t := range tensors {
		end := at + 2*t.size()
		header[t.name] = entry{"BF16", t.shape, [2]int{at, end}}
		at = end
	}
	text, err := json.Marshal(header)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 1<<20)
	err = errors.Join(binary.Write(out, binary.LittleEndian, uint64(len(text))), second(out.Write(text)))
	rng := rand.New(rand.NewPCG(seed, 2))
	table := make([]float32, 1<<16) // a draw for each of so many is normal enough
	for i := range table {
		table[i] = float32(0.02 * rng.NormFloat64())
	}
	words := make([]uint16, len(table))
	kernels.EncodeBF16(words, table)
	chunk := make([]byte, 0, 1<<16)
	for _, t := range tensors {
		norm := strings.Contains(t.name, "norm")
		for left := t.size(); left > 0 && err == nil; {
			n := min(left, cap(chunk)/2)
			chunk = chunk[:0]
			for len(chunk) < 2*n {
				if norm {
					const one = 0x3f80
					chunk = binary.LittleEndian.AppendUint16(chunk, one)
					continue
				}
				for bits, k := rng.Uint64(), 0; k < 4 && len(chunk) < 2*n; k, bits = k+1, bits>>16 {
					chunk = binary.LittleEndian.AppendUint16(chunk, words[uint16(bits)])
				}
			}
			_, err = out.Write(chunk)
			left -= n
		}
	}
	return errors.Join(err, out.Flush())
}

func second(_ int, err error) error { return err }
