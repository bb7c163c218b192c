package lora

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"

	"github.com/lowrank/lowrank/nn"
)

// baseKey is where the metadata of an adapter's file says of which base it is.
const baseKey = "base_sha256"

// formatKey is where it says in which format the base kept its weights, if that
// was chosen: the values that were adapted are then rounded ones of the base.
const formatKey = "base_format"

// formatOf returns the format that a model's source has chosen for the weights of
// its linear maps, "" where they are those of the files.
func formatOf(model nn.Model) string {
	for _, l := range model.Linears() {
		if s := l.W.Values().Stored; l.Streamed && l.Kind == nn.Dense && !l.Output && s != nil {
			return s.Format.String()
		}
	}
	return ""
}

// BaseHash returns the SHA-256 of a model's tensors, names and float32 values
// in their order: what an adapter belongs to. What is in wholes the adapter
// brings along, and does not count; what has grown counts with the rows of its
// checkpoint.
func BaseHash(model nn.Model, wholes []*Whole) string {
	brought := map[string]bool{}
	for _, w := range wholes {
		brought[w.Name] = true
	}
	grown := map[string]int{}
	if g, ok := model.(nn.Grower); ok {
		grown = g.Grown()
	}
	h := sha256.New()
	chunk, buf := make([]float32, 1<<14), make([]byte, 0, 1<<16)
	for _, p := range model.Params() {
		if brought[p.Name] {
			continue
		}
		n := p.Size()
		if rows, ok := grown[p.Name]; ok {
			n = rows * p.Cols()
		}
		fmt.Fprintf(h, "%s %d\n", p.Name, n)
		for at := 0; at < n; at += len(chunk) {
			x := chunk[:min(len(chunk), n-at)]
			p.CopyTo(x, at) // of 16 bits it decodes no more
			buf = buf[:0]
			for _, v := range x {
				buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(v))
			}
			h.Write(buf)
		}
		p.Values().Release()
	}
	return hex.EncodeToString(h.Sum(nil))
}

// checkBase refuses adapters that say that they are of another base. Of a base in
// another format nothing can be said: its values are others.
func checkBase(model nn.Model, wholes []*Whole, metadata map[string]string) error {
	want, ok := metadata[baseKey]
	if !ok || metadata[formatKey] != formatOf(model) {
		return nil
	}
	if have := BaseHash(model, wholes); have != want {
		return fmt.Errorf("the adapter was trained on a base with %s %.12s…, this one has %.12s…", baseKey, want, have)
	}
	return nil
}
