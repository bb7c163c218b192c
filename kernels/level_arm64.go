//go:build !purego

package kernels

import (
	"fmt"

	"golang.org/x/sys/cpu"
)

// missing returns why level l cannot run here, or nil.
func missing(l Level) error {
	switch l {
	case Generic:
		return nil
	case NEON:
		if cpu.ARM64.HasASIMD {
			return nil
		}
		return fmt.Errorf("kernels: level neon: this machine has no ASIMD")
	}
	return fmt.Errorf("kernels: level %v: not built into this version", l)
}
