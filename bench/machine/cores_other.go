//go:build !linux

package machine

// Confine keeps a process that computes on one thread on one core, where the system can.
func Confine(pid, threads int) {}

// ConfineThread is Confine for the calling thread alone.
func ConfineThread(threads int) {}
