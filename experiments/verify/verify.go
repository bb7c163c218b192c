package verify

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
)

// A folder is one reference: its path and what reads it.
type folder struct {
	dir  string
	kind kind
}

// A kind of folder: how it is known, what its cases are called, and what
// compares one of them.
type kind struct {
	name  string
	is    func(dir string) bool
	cases func(dir string) ([]string, error)
	run   func(dir, name string, r *rows)
}

// kinds are all that there are; the first that a folder is counts.
var kinds = []kind{tokenizers, models, layers}

// Run compares every case of the folders, and of the folders within them, whose
// "folder/case" matches only, and calls emit for each row. An error is about
// the folders, not about a comparison.
func Run(ctx context.Context, dirs []string, only *regexp.Regexp, emit func(Row)) error {
	var all []folder
	for _, dir := range dirs {
		found, err := find(dir)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return fmt.Errorf("verify: %s: holds no reference: neither a layer's, a model's nor a tokenizer's", dir)
		}
		all = append(all, found...)
	}
	matched := false
	for _, f := range all {
		names, err := f.kind.cases(f.dir)
		if err != nil {
			return fmt.Errorf("verify: %s: %w", f.dir, err)
		}
		for _, name := range names {
			if only != nil && !only.MatchString(filepath.Base(f.dir)+"/"+name) {
				continue
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			matched = true
			runCase(f, name, emit)
		}
	}
	if !matched {
		return fmt.Errorf("verify: no case matches %s", only)
	}
	return nil
}

// runCase runs one case; a panic in it, which is a defect, fails that case
// alone.
func runCase(f folder, name string, emit func(Row)) {
	r := &rows{folder: f.dir, name: name, emit: emit}
	defer func() {
		if p := recover(); p != nil {
			r.fail("", fmt.Errorf("%v", p))
		}
	}()
	f.kind.run(f.dir, name, r)
}

// find returns the references at and below dir, in order.
func find(dir string) ([]folder, error) {
	for _, k := range kinds {
		if k.is(dir) {
			return []folder{{dir, k}}, nil
		}
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	var found []folder
	for _, e := range list {
		if !e.IsDir() {
			continue
		}
		below, err := find(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		found = append(found, below...)
	}
	return found, nil
}

// has reports whether dir has all the files.
func has(dir string, files ...string) bool {
	return !slices.ContainsFunc(files, func(f string) bool {
		_, err := os.Stat(filepath.Join(dir, f))
		return err != nil
	})
}
