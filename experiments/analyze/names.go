package analyze

import (
	"path/filepath"
	"strings"
)

// shorten gives the adapters names for tables and pictures: their folders without
// the leading ones that all of them share, and of one adapter its own.
func shorten(adapters []*Adapter) {
	paths := make([][]string, len(adapters))
	for i, a := range adapters {
		paths[i] = strings.Split(filepath.ToSlash(filepath.Clean(a.Name)), "/")
	}
	shared := func(n int) bool {
		for _, p := range paths {
			if len(p) <= n+1 || p[n] != paths[0][n] {
				return false
			}
		}
		return len(paths) > 0
	}
	n := 0
	for shared(n) {
		n++
	}
	for i, a := range adapters {
		a.Short = strings.Join(paths[i][n:], "/")
	}
}
