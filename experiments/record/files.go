package record

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// WriteFile writes the file path whole or not at all: write fills a file of
// another name in the same folder, which is synced, closed and renamed to path,
// and then the folder is synced. Missing folders are made. After an error
// before the rename, a file that was at path is as it was, and nothing is left
// beside it. write need not buffer.
func WriteFile(path string, write func(io.Writer) error) error {
	if err := writeFile(path, write); err != nil {
		return fmt.Errorf("write %s: %w", path, reason(path, err))
	}
	return nil
}

func writeFile(path string, write func(io.Writer) error) error {
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return err
	}
	f, err := createBeside(path)
	if err != nil {
		return err
	}
	renamed := false
	defer func() { // also when write panics
		if !renamed {
			f.Close()
			os.Remove(f.Name())
		}
	}()

	w := bufio.NewWriterSize(f, 1<<16)
	if err := write(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil { // before the rename: Windows wants that order
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	renamed = true
	return syncFolder(folder)
}

// createBeside makes a new file with a free hidden name in the folder of path,
// with the permissions that path would get (os.CreateTemp's are the owner's
// alone, and the rename would keep them).
func createBeside(path string) (*os.File, error) {
	for {
		name := fmt.Sprintf(".%s.%08x.tmp", filepath.Base(path), rand.Uint32())
		f, err := os.OpenFile(filepath.Join(filepath.Dir(path), name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
}

// syncFolder makes a rename in folder durable. Windows cannot sync a folder,
// nor can some network file systems: they answer EINVAL or ENOTSUP.
func syncFolder(folder string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// reason strips the temporary name of path from an error of the package os: the
// caller asked for path, and WriteFile names it. Other files keep theirs.
func reason(path string, err error) error {
	if e, ok := err.(*fs.PathError); ok && strings.HasPrefix(filepath.Base(e.Path), "."+filepath.Base(path)+".") {
		return e.Err
	}
	if e, ok := err.(*os.LinkError); ok && e.New == path {
		return e.Err
	}
	return err
}

// WriteJSON writes v to the file path as indented JSON that ends in a newline,
// whole or not at all.
func WriteJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return WriteFile(path, func(w io.Writer) error {
		_, err := w.Write(append(data, '\n'))
		return err
	})
}
