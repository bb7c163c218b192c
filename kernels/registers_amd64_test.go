//go:build linux && !purego

package kernels

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// A registerFile is the first 16 vector registers, 64 bytes each.
type registerFile [16 * 64]byte

// moveRegisters returns the machine code of a function func(*registerFile) that
// stores registers 0, …, count-1, or loads them: VMOVUPS between [RAX+64·i], where Go
// passes the first argument, and ZMM or YMM register i.
func moveRegisters(store, wide bool, count int) []byte {
	opcode := byte(0x10)
	if store {
		opcode = 0x11
	}
	var code []byte
	for i := range count {
		high := byte(0x80) // the inverted fourth bit of the register's number
		if i >= 8 {
			high = 0
		}
		register := byte(i%8) << 3
		if wide { // EVEX.512.0F.W0, its 8-bit displacement in units of 64
			code = append(code, 0x62, 0x71|high, 0x7c, 0x48, opcode, 0x40|register, byte(i))
		} else { // VEX.256.0F, a displacement of 32 bits
			at := 64 * i
			code = append(code, 0xc5, 0x7c|high, opcode, 0x80|register, byte(at), byte(at>>8), 0, 0)
		}
	}
	if !store {
		code = append(code, 0xc5, 0xf8, 0x77) // VZEROUPPER, as a caller would
	}
	return append(code, 0xc3) // RET
}

// newFunction makes a function of machine code that neither calls, nor uses the
// stack, nor touches another register.
func newFunction(code []byte) (func(*registerFile), error) {
	page, err := unix.Mmap(-1, 0, len(code), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, err
	}
	copy(page, code)
	if err := unix.Mprotect(page, unix.PROT_READ|unix.PROT_EXEC); err != nil {
		return nil, err
	}
	// A func is a pointer to a pointer to its code.
	entry := &struct{ code *byte }{&page[0]}
	return *(*func(*registerFile))(unsafe.Pointer(&entry)), nil
}

func init() {
	if missing(AVX2) != nil {
		return
	}
	wide := missing(AVX512) == nil
	store, err := newFunction(moveRegisters(true, wide, 16))
	if err != nil {
		return // a system that forbids it
	}
	load, err := newFunction(moveRegisters(false, wide, 15)) // Go holds the last at zero
	if err != nil {
		return
	}
	var state, soil registerFile
	for i := range soil {
		soil[i] = 0xff // NaN
	}
	upperHalves = func() (registers []int) {
		store(&state)
		for i := range 16 {
			for _, b := range state[64*i+16 : 64*i+64] {
				if b != 0 {
					registers = append(registers, i)
					break
				}
			}
		}
		return registers
	}
	soilRegisters = func() { load(&soil) }
}
