package peers

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/lowrank/lowrank/kernels"
)

// build compiles a program with gcc and returns the path of the binary, which
// is kept in the user's cache folder for as long as sources, flags and machine
// are the same.
func build(gcc string, p Program) (string, error) {
	hash := sha256.New()
	fmt.Fprintln(hash, gcc, p.flags, kernels.CPU().Brand)
	texts := map[string][]byte{}
	for _, file := range p.files {
		text, err := sources.ReadFile(path.Join("c", file))
		if err != nil {
			return "", err
		}
		texts[file] = text
		fmt.Fprintf(hash, "%s %d\n%s", file, len(text), text)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	folder := filepath.Join(cache, "lowrank", "peers")
	binary := filepath.Join(folder, fmt.Sprintf("%s-%x", strings.ToLower(p.Name), hash.Sum(nil)[:8]))
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	scratch, err := os.MkdirTemp(folder, "build-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(scratch)
	args := []string{"-std=c11"}
	for _, file := range p.files {
		if err := os.WriteFile(filepath.Join(scratch, file), texts[file], 0o644); err != nil {
			return "", err
		}
		if path.Ext(file) == ".c" {
			args = append(args, file)
		}
	}
	cmd := exec.Command(gcc, append(append(args, "-o", "peer"), p.flags...)...)
	cmd.Dir = scratch
	if output, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("gcc: %s", firstError(string(output)))
	}
	return binary, os.Rename(filepath.Join(scratch, "peer"), binary)
}

// firstError is the line of gcc's output that says what is wrong.
func firstError(output string) string {
	for line := range strings.Lines(output) {
		if strings.Contains(line, "error") || strings.Contains(line, "cannot find") {
			return strings.TrimSpace(line)
		}
	}
	return lastLine(output)
}
