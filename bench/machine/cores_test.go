//go:build linux

package machine

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// A process of one thread has one core, which it had before, and all of them again for
// two.
func TestConfine(t *testing.T) {
	cores := func() unix.CPUSet {
		var set unix.CPUSet
		if err := unix.SchedGetaffinity(os.Getpid(), &set); err != nil {
			t.Fatal(err)
		}
		return set
	}
	before := cores()
	defer Confine(os.Getpid(), 2)
	Confine(os.Getpid(), 1)
	one := cores()
	if one.Count() != 1 {
		t.Errorf("a process of one thread has %d cores", one.Count())
	}
	for core := range 64 * len(one) {
		if one.IsSet(core) && !before.IsSet(core) {
			t.Errorf("core %d is none of this program's", core)
		}
	}
	if Confine(os.Getpid(), 2); cores() != before {
		t.Error("a process of two threads has other cores than before")
	}
}
