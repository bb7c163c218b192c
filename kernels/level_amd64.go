//go:build !purego

package kernels

import (
	"fmt"

	"golang.org/x/sys/cpu"
)

// missing returns why level l cannot run here, or nil. HasAVX2 already asks
// whether the operating system saves the YMM registers; HasFMA alone does not.
func missing(l Level) error {
	switch l {
	case Generic:
		return nil
	case AVX2:
		if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
			return nil
		}
		return fmt.Errorf("kernels: level avx2: this machine has AVX2 %t, FMA %t", cpu.X86.HasAVX2, cpu.X86.HasFMA)
	}
	return fmt.Errorf("kernels: level %v: not built into this version", l)
}
