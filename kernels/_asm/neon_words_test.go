package main

import (
	"encoding/binary"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/arch/arm64/arm64asm"
)

// Every WORD is the instruction that its comment says.
//
// Mutations of the generators that this test sees: the code of FMIN, that of FMLA.
// Those that the tests of package kernels see: of the tile, another lane of A in
// either way of reading it, no test for k = 0, the wrong way through the strips,
// acc reversed or multiplied, two vectors of C swapped; of packing, the halves of
// a transposition, the place of the last two columns; of the loops, the count of
// what is left, the halves of a vector widened wrongly, an accumulator of the
// maximum left out, FMAX in it, a tail's other lanes kept, no mask of what is added
// to, a sign of rotate, eps and the sign of adamw; of exp, the second part of ln2
// or rounding left out; of GELU, the choice by sign and the clamp.
func TestNEONWords(t *testing.T) {
	word := regexp.MustCompile(`WORD \$0x([0-9a-f]{8}) // (.*)`)
	checked := map[string]bool{}
	for file, generate := range neonFiles {
		for _, m := range word.FindAllStringSubmatch(string(neonSource(generate)), -1) {
			if checked[m[0]] {
				continue
			}
			checked[m[0]] = true
			code, err := strconv.ParseUint(m[1], 16, 32)
			if err != nil {
				t.Fatal(err)
			}
			got, err := disassemble(uint32(code))
			if err != nil || got != m[2] {
				t.Errorf("%s: %s decodes as %q, %v", file, m[0], got, err)
			}
		}
	}
	if len(checked) == 0 {
		t.Error("no WORD found")
	}
}

// disassemble returns an instruction in the form of Arm's manual.
func disassemble(code uint32) (string, error) {
	inst, err := arm64asm.Decode(binary.LittleEndian.AppendUint32(nil, code))
	if err != nil {
		return "", err
	}
	return strings.ToUpper(arm64asm.GNUSyntax(inst)), nil
}
