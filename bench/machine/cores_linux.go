package machine

import (
	"fmt"
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// allowed are the cores that this program was started on.
var allowed = sync.OnceValues(func() (set unix.CPUSet, err error) {
	err = unix.SchedGetaffinity(0, &set)
	return set, err
})

// Confine keeps a process that computes on one thread on one core, the same for every
// process, and gives it all cores of this program for any other number. Sides that are
// measured in turn then have the same core: on a machine that has other work, one may be
// half as fast as another, and whoever was started there stays. It does as much as the
// system lets it.
func Confine(pid, threads int) {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return
	}
	for _, task := range tasks {
		if id, err := strconv.Atoi(task.Name()); err == nil {
			confine(id, threads)
		}
	}
}

// ConfineThread is Confine for the calling thread alone, to which the goroutine must be
// locked. The other threads, the runtime's, would break in on work of microseconds.
func ConfineThread(threads int) { confine(0, threads) }

// confine sets the cores of a thread, 0 for the calling one.
func confine(thread, threads int) {
	set, err := allowed()
	if err != nil {
		return
	}
	if threads == 1 {
		set = last(set)
	}
	unix.SchedSetaffinity(thread, &set)
}

// last returns the last core of a set: the first one serves the devices.
func last(set unix.CPUSet) (one unix.CPUSet) {
	for core := 64*len(set) - 1; core >= 0; core-- {
		if set.IsSet(core) {
			one.Set(core)
			return one
		}
	}
	return set
}
