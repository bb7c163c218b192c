//go:build !unix

package pretrained

import (
	"errors"
	"os"
)

// mapPrivate maps nothing: the file is read.
func mapPrivate(*os.File, int) ([]byte, error) { return nil, errors.ErrUnsupported }

func unmap([]byte) error { return nil }

func forget([]byte) {}
