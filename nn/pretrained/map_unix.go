//go:build unix

package pretrained

import (
	"errors"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mapPrivate maps the n bytes of a file, n > 0, so that they can be written to
// and the file keeps its own. The error is [errors.ErrUnsupported] if the file
// system maps nothing.
func mapPrivate(f *os.File, n int) ([]byte, error) {
	b, err := unix.Mmap(int(f.Fd()), 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unreserved)
	if err == unix.ENODEV {
		err = errors.ErrUnsupported
	}
	return b, err
}

func unmap(b []byte) error { return unix.Munmap(b) }

// forget lets the system drop the whole pages of a part of a mapping from memory,
// to be read from the file when they are touched again. What was written to them
// is lost.
func forget(b []byte) {
	if b = wholePages(b); len(b) > 0 {
		_ = unix.Madvise(b, unix.MADV_DONTNEED) // an advice: the memory stays in use if it is not taken
	}
}

// wholePages returns the pages of b that have nothing else in them.
func wholePages(b []byte) []byte {
	page := uintptr(os.Getpagesize())
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(b))) % page
	n := uintptr(len(b))
	if n < skip+page {
		return nil
	}
	return b[skip : skip+(n-skip)/page*page]
}
