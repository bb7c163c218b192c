package machine

import (
	"bytes"
	"fmt"
	"os"
)

// Resident returns the most memory in bytes that this process has had resident.
// It is VmHWM, which begins anew with a program; the ru_maxrss of a process
// begins with that of the one that started it.
func Resident() (int, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(status) {
		var kib int
		if _, err := fmt.Sscanf(string(line), "VmHWM: %d kB", &kib); err == nil {
			return kib << 10, nil
		}
	}
	return 0, fmt.Errorf("/proc/self/status has no VmHWM")
}
