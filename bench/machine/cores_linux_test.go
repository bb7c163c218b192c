package machine

import (
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// A process or thread that computes alone has one core, which it had before, and all of
// them again for two threads.
func TestConfine(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cores := func() unix.CPUSet {
		var set unix.CPUSet
		if err := unix.SchedGetaffinity(0, &set); err != nil {
			t.Fatal(err)
		}
		return set
	}
	before := cores()
	for what, confine := range map[string]func(threads int){
		"process": func(threads int) { Confine(os.Getpid(), threads) },
		"thread":  ConfineThread,
	} {
		confine(1)
		one := cores()
		if one.Count() != 1 {
			t.Errorf("a %s that computes alone has %d cores", what, one.Count())
		}
		for core := range 64 * len(one) {
			if one.IsSet(core) && !before.IsSet(core) {
				t.Errorf("core %d is none of this program's", core)
			}
		}
		if confine(2); cores() != before {
			t.Errorf("a %s that computes on two threads has other cores than before", what)
		}
	}
}
