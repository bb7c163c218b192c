//go:build !purego

package kernels

import (
	"fmt"

	"golang.org/x/sys/cpu"
)

// missing returns why level l cannot run here, or nil. HasAVX2 and HasAVX512F
// already ask whether the operating system saves the registers; HasFMA alone does
// not. AVX512 stands on AVX2, which does some of its work.
func missing(l Level) error {
	switch l {
	case Generic:
		return nil
	case AVX2:
		if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
			return nil
		}
		return fmt.Errorf("kernels: level avx2: this machine has AVX2 %t, FMA %t", cpu.X86.HasAVX2, cpu.X86.HasFMA)
	case AVX512:
		x := &cpu.X86
		if missing(AVX2) == nil && x.HasAVX512F && x.HasAVX512BW && x.HasAVX512DQ && x.HasAVX512VL {
			return nil
		}
		return fmt.Errorf("kernels: level avx512: this machine has AVX2 %t, FMA %t, AVX512 F %t, BW %t, DQ %t, VL %t",
			x.HasAVX2, x.HasFMA, x.HasAVX512F, x.HasAVX512BW, x.HasAVX512DQ, x.HasAVX512VL)
	}
	return fmt.Errorf("kernels: level %v: not built into this version", l)
}
