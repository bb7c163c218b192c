package record

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestWriteFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "missing", "folder")
	path := filepath.Join(dir, "a.txt")
	for _, text := range []string{"first", strings.Repeat("second, longer than a buffer ", 10_000), ""} {
		err := WriteFile(path, func(w io.Writer) error {
			_, err := io.WriteString(w, text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("have %.40q, %v, want %.40q", got, err, text)
		}
	}
	wantOnly(t, dir, "a.txt")

	// The permissions are those of any new file, not a temporary file's.
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	a, errA := os.Stat(path)
	b, errB := os.Stat(plain)
	if errA != nil || errB != nil || a.Mode() != b.Mode() {
		t.Errorf("have mode %v, %v, want %v, %v", a.Mode(), errA, b.Mode(), errB)
	}
}

// wantOnly checks that dir holds the files named and nothing else.
func wantOnly(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, e := range entries {
		have = append(have, e.Name())
	}
	if strings.Join(have, " ") != strings.Join(names, " ") {
		t.Errorf("%s holds %q, want %q", dir, have, names)
	}
}

// A writer that fails, or panics, after having written leaves the old file and
// no other.
func TestWriteFileFailsMidway(t *testing.T) {
	errFull := errors.New("disk full")
	dir := t.TempDir()
	path := filepath.Join(dir, "a.txt")
	if err := os.WriteFile(path, []byte("old"), 0o666); err != nil {
		t.Fatal(err)
	}
	err := WriteFile(path, func(w io.Writer) error {
		io.WriteString(w, strings.Repeat("new", 100_000)) // much of it past the buffer
		return errFull
	})
	if !errors.Is(err, errFull) || err.Error() != "write "+path+": disk full" {
		t.Errorf("have error %v", err)
	}
	func() {
		defer func() { recover() }()
		WriteFile(path, func(w io.Writer) error {
			io.WriteString(w, "new")
			panic("writer")
		})
	}()
	if got, err := os.ReadFile(path); err != nil || string(got) != "old" {
		t.Errorf("have %.40q, %v, want the old text", got, err)
	}
	wantOnly(t, dir, "a.txt")
}

func TestWriteFileWhereItCannot(t *testing.T) {
	nothing := func(io.Writer) error { return nil }
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("old"), 0o666); err != nil {
		t.Fatal(err)
	}

	below := filepath.Join(dir, "file", "a.txt") // a folder that is a file
	if err := WriteFile(below, nothing); err == nil || !strings.HasPrefix(err.Error(), "write "+below+": ") {
		t.Errorf("below a file: have error %v", err)
	}

	onto := filepath.Join(dir, "folder") // a file that is a folder
	if err := os.Mkdir(onto, 0o777); err != nil {
		t.Fatal(err)
	}
	err := WriteFile(onto, nothing)
	if err == nil || strings.Contains(err.Error(), ".tmp") || strings.Contains(err.Error(), "\n") {
		t.Errorf("onto a folder: have error %v, want one line without a temporary name", err)
	}

	if os.Geteuid() > 0 { // the superuser may write anywhere
		closed := filepath.Join(dir, "closed")
		if err := os.Mkdir(closed, 0o555); err != nil {
			t.Fatal(err)
		}
		if err := WriteFile(filepath.Join(closed, "a"), nothing); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("folder without permission: have error %v", err)
		}
		wantOnly(t, dir, "closed", "file", "folder")
		return
	}
	wantOnly(t, dir, "file", "folder")
}

// /dev/full answers every write with "no space left on device".
func TestLogOnFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("/dev/full is not here: ", err)
	}
	defer full.Close()
	l := &Log{file: full}
	if err := l.Add(Metric{Name: "train_loss"}); err == nil || l.size != 0 {
		t.Errorf("have error %v and %d bytes, want an error and none", err, l.size)
	}
}

func TestWriteJSON(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.json")
	if err := WriteJSON(path, map[string]int{"b": 2, "a": 1}); err != nil {
		t.Fatal(err)
	}
	want := "{\n  \"a\": 1,\n  \"b\": 2\n}\n"
	if got, _ := os.ReadFile(path); string(got) != want {
		t.Errorf("have %q, want %q", got, want)
	}
	if err := WriteJSON(path, func() {}); err == nil {
		t.Error("a func was written as JSON")
	}
	if got, _ := os.ReadFile(path); string(got) != want {
		t.Errorf("after an error, have %q, want %q", got, want)
	}
}

// Nothing in the module makes files but WriteFile and the log.
func TestOnlyWriteFileCreates(t *testing.T) {
	creates := regexp.MustCompile(`\bos\.(Create|CreateTemp|WriteFile|OpenFile)\(`)
	files := 0
	err := filepath.WalkDir("..", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files++
		if slash := filepath.ToSlash(path); slash == "../record/files.go" || slash == "../record/log.go" {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, call := range creates.FindAllString(string(text), -1) {
			t.Errorf("%s calls %s…): files are written by record.WriteFile", path, call)
		}
		return err
	})
	if err != nil || files < 5 {
		t.Errorf("%d files searched, %v", files, err)
	}
}
