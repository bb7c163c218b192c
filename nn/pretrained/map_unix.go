//go:build unix

package pretrained

import (
	"errors"
	"os"

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
