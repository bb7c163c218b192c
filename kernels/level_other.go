//go:build (!amd64 && !arm64) || purego

package kernels

import "fmt"

// missing returns why level l cannot run here, or nil.
func missing(l Level) error {
	if l == Generic {
		return nil
	}
	return fmt.Errorf("kernels: level %v: not built into this version", l)
}
