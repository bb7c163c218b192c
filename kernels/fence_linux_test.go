package kernels

import (
	"os"

	"golang.org/x/sys/unix"
)

// fences says whether a byte read or written outside of newFence's memory faults.
const fences = true

// newFence returns memory between two pages that cannot be touched.
func newFence(size int) ([]byte, error) {
	page := os.Getpagesize()
	size = ceil(size, page) * page
	m, err := unix.Mmap(-1, 0, size+2*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, err
	}
	for _, edge := range [][]byte{m[:page], m[page+size:]} {
		if err := unix.Mprotect(edge, unix.PROT_NONE); err != nil {
			return nil, err
		}
	}
	return m[page : page+size : page+size], nil
}
