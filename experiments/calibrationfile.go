package experiments

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
)

// mostKept is the largest calibration that is kept, in bytes.
const mostKept = 4 << 30

// The file of a calibration is a line of JSON, the contents, then their values in
// its order, little-endian, and at the end the CRC-32 of all that.
type contents struct {
	Gradients []gradientEntry
	Moments   []momentEntry
}

type gradientEntry struct {
	Name   string
	Values int
}

type momentEntry struct {
	Name            string
	Rows            int
	Inputs, Outputs int
	Of              string // the map whose moments of inputs these are: this or an earlier one
	Components      int    `json:",omitempty"` // that are there instead of the second moments
}

// contents lists what the calibration has, in the order of names.
func (c calibration) contents() contents {
	var list contents
	for _, name := range slices.Sorted(maps.Keys(c.Gradients)) {
		list.Gradients = append(list.Gradients, gradientEntry{name, len(c.Gradients[name])})
	}
	first := map[*float64]string{} // by the means, which are shared as the rest is
	for _, name := range slices.Sorted(maps.Keys(c.Moments)) {
		x := c.Moments[name]
		if _, ok := first[&x.Mean[0]]; !ok {
			first[&x.Mean[0]] = name
		}
		entry := momentEntry{Name: name, Rows: x.Rows, Inputs: len(x.Mean), Outputs: len(x.Output), Of: first[&x.Mean[0]]}
		if x.Leading != nil {
			entry.Components = len(x.Leading.Variances)
		}
		list.Moments = append(list.Moments, entry)
	}
	return list
}

func (c calibration) bytes() (n int64) {
	list := c.contents()
	for _, g := range list.Gradients {
		n += 4 * int64(g.Values)
	}
	for _, m := range list.Moments {
		switch {
		case m.Of != m.Name:
		case m.Components > 0:
			n += 4 * int64(m.Components) * int64(m.Inputs)
		default:
			n += 16 * int64(m.Inputs) * int64(m.Inputs)
		}
	}
	return n
}

func (c calibration) encode(w io.Writer) error {
	sum := crc32.NewIEEE()
	to := io.MultiWriter(w, sum)
	list := c.contents()
	if err := json.NewEncoder(to).Encode(list); err != nil { // ends the line
		return err
	}
	put := func(values any) error { return binary.Write(to, binary.LittleEndian, values) }
	for _, g := range list.Gradients {
		if err := put(c.Gradients[g.Name]); err != nil {
			return err
		}
	}
	for _, m := range list.Moments {
		x := c.Moments[m.Name]
		err := put(x.Output)
		if err != nil {
			return err
		}
		if m.Of != m.Name {
			continue
		}
		if l := x.Leading; l != nil {
			err = errors.Join(put(x.Mean), put(l.Variances), put(l.Directions), put(l.Total))
		} else {
			err = errors.Join(put(x.Mean), put(x.Second), put(x.Scaled))
		}
		if err != nil {
			return err
		}
	}
	return binary.Write(w, binary.LittleEndian, sum.Sum32())
}

// readCalibration reads a file, or reports false where there is none that is whole.
func readCalibration(path string) (calibration, bool) {
	if path == "" {
		return calibration{}, false
	}
	file, err := os.Open(path)
	if err != nil {
		return calibration{}, false
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return calibration{}, false
	}
	c, err := decodeCalibration(file, info.Size())
	return c, err == nil
}

func decodeCalibration(r io.Reader, size int64) (c calibration, err error) {
	in, sum := bufio.NewReader(r), crc32.NewIEEE()
	line, err := in.ReadBytes('\n')
	var list contents
	if err != nil || json.Unmarshal(line, &list) != nil {
		return c, errors.New("it has no contents")
	}
	sum.Write(line)
	from := io.TeeReader(in, sum)
	left := size - int64(len(line)) - crc32.Size
	take := func(values any, bytes int64) error {
		if left -= bytes; left < 0 {
			return io.ErrUnexpectedEOF
		}
		return binary.Read(from, binary.LittleEndian, values)
	}
	c.Gradients, c.Moments = lora.Gradients{}, lora.Moments{}
	for _, g := range list.Gradients {
		if g.Values < 0 || int64(g.Values) > left/4 {
			return c, io.ErrUnexpectedEOF
		}
		values := make([]float32, g.Values)
		if err := take(values, 4*int64(g.Values)); err != nil {
			return c, err
		}
		c.Gradients[g.Name] = values
	}
	for _, m := range list.Moments {
		if m.Outputs < 0 || int64(m.Outputs) > left/8 {
			return c, io.ErrUnexpectedEOF
		}
		x := &adapter.Moments{Rows: m.Rows}
		if m.Outputs > 0 {
			x.Output = make([]float64, m.Outputs)
		}
		if err := take(x.Output, 8*int64(m.Outputs)); err != nil {
			return c, err
		}
		if shared, ok := c.Moments[m.Of]; ok {
			x.Mean, x.Second, x.Scaled, x.Leading = shared.Mean, shared.Second, shared.Scaled, shared.Leading
		} else if m.Of != m.Name {
			return c, errors.New("a map shares the moments of none")
		} else {
			n := m.Inputs
			if k := m.Components; k != 0 {
				if n < 1 || k < 1 || int64(n) > left/8 || int64(k) > left/8 || int64(k)*int64(n) > left/4 {
					return c, io.ErrUnexpectedEOF
				}
				l := &adapter.Components{Variances: make([]float64, k), Directions: make([]float32, k*n)}
				x.Mean, x.Leading = make([]float64, n), l
				if err := errors.Join(take(x.Mean, 8*int64(n)), take(l.Variances, 8*int64(k)), take(l.Directions, 4*int64(k)*int64(n)), take(&l.Total, 8)); err != nil {
					return c, err
				}
				c.Moments[m.Name] = x
				continue
			}
			if n < 1 || int64(n) > left/8 || int64(n)*int64(n) > left/16 {
				return c, io.ErrUnexpectedEOF
			}
			x.Mean, x.Second, x.Scaled = make([]float64, n), make([]float64, n*n), make([]float64, n*n)
			for _, values := range [][]float64{x.Mean, x.Second, x.Scaled} {
				if err := take(values, 8*int64(len(values))); err != nil {
					return c, err
				}
			}
		}
		c.Moments[m.Name] = x
	}
	want := sum.Sum32()
	var have uint32
	if err := binary.Read(in, binary.LittleEndian, &have); err != nil || have != want {
		return c, errors.New("its checksum is wrong")
	}
	return c, nil
}
