//go:build !linux

package machine

import "errors"

// Resident returns the most memory in bytes that this process has had resident.
func Resident() (int, error) { return 0, errors.ErrUnsupported }
