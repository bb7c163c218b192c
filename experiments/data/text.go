// Package data reads what models are trained on: the records of a [Table] in
// JSON lines, CSV or Parquet, documents of plain text, folders of images. For
// the study it turns text into batches of tokens, of which each is a byte: any
// text has ids in 0…255 and no vocabulary is needed. A [Corpus] keeps a part of
// a text aside; batches are drawn from named random streams, so that batch k of
// a run is the same whatever was drawn before it.
package data

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Vocabulary is the number of token ids.
const Vocabulary = 256

// ReadText returns the first max bytes of a file (all of it if max is 0).
func ReadText(path string, max int) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	if info.IsDir() {
		return nil, fmt.Errorf("data: %s is a directory: need a text file", path)
	}
	if !info.Mode().IsRegular() { // opening a pipe could wait for ever
		return nil, fmt.Errorf("data: %s is a device or a pipe: need a text file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	defer f.Close()
	var r io.Reader = f
	if max > 0 {
		r = io.LimitReader(f, int64(max))
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	if len(text) == 0 {
		return nil, fmt.Errorf("data: %s is empty: need a text file", path)
	}
	return text, nil
}

// Prose returns the English prose that every Go installation carries, Newton's
// Opticks, and where it was found.
func Prose(max int) (text []byte, path string, err error) {
	root, err := goroot()
	if err != nil {
		return nil, "", err
	}
	path = filepath.Join(root, "src", "testdata", "Isaac.Newton-Opticks.txt")
	if text, err = ReadText(path, max); err != nil {
		return nil, "", fmt.Errorf("%w (name a text of your own: --base-text, or data.base_text in a configuration)", err)
	}
	return text, path, nil
}

// packages are the parts of the standard library that GoSource reads, in this
// order: ordinary code of many hands, no tables and no generated files.
var packages = []string{"strings", "bytes", "strconv", "sort", "fmt", "io", "bufio", "os", "path/filepath",
	"time", "errors", "context", "sync", "encoding/json", "encoding/xml", "text/template", "html/template",
	"net/http", "net/url", "go/parser", "go/types", "database/sql", "archive/tar", "compress/flate", "math/big"}

// GoSource returns up to max bytes of the Go source under $GOROOT/src, tests
// left out, and where it was found.
func GoSource(max int) (text []byte, path string, err error) {
	root, err := goroot()
	if err != nil {
		return nil, "", err
	}
	path = filepath.Join(root, "src")
	for _, p := range packages {
		dir := filepath.Join(path, filepath.FromSlash(p))
		files, err := os.ReadDir(dir) // sorted
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, "", fmt.Errorf("data: %w", err)
		}
		for _, f := range files {
			if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
				continue
			}
			src, err := os.ReadFile(filepath.Join(dir, f.Name()))
			if err != nil {
				return nil, "", fmt.Errorf("data: %w", err)
			}
			if text = append(text, src...); max > 0 && len(text) >= max {
				return text[:max], path, nil
			}
		}
	}
	if len(text) == 0 {
		return nil, "", fmt.Errorf("data: no Go source under %s (name a text of your own: --adapt-text, or data.adapt_text in a configuration)", path)
	}
	return text, path, nil
}

// goroot finds the Go installation: $GOROOT, or that of the go command.
func goroot() (string, error) {
	if dir := os.Getenv("GOROOT"); dir != "" {
		return dir, nil
	}
	out, err := exec.Command("go", "env", "GOROOT").Output()
	dir := strings.TrimSpace(string(out))
	switch {
	case errors.Is(err, exec.ErrNotFound):
		err = errors.New("there is no go command in $PATH")
	case err != nil:
		err = fmt.Errorf("go env GOROOT: %w", err)
	case dir == "":
		err = errors.New("go env GOROOT names none")
	}
	if err != nil {
		return "", fmt.Errorf("data: no Go installation to read text from: GOROOT is not set, and %w (name texts of your own: --base-text and --adapt-text, or data.base_text and data.adapt_text in a configuration)", err)
	}
	return dir, nil
}
