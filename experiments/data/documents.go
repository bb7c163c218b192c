package data

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// maxTextBytes bounds the text of a corpus: tokens take four times its memory.
const maxTextBytes = 1 << 30

// ReadDocuments returns the text of a file, or of each .txt file of a folder,
// in the order of their names.
func ReadDocuments(path string) ([]string, error) {
	paths := []string{path}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		if paths, err = textsIn(path); err != nil {
			return nil, err
		}
	}
	var texts []string
	total := 0
	for _, p := range paths {
		if err := checkFile(p, maxTextBytes); err != nil {
			return nil, err
		}
		text, err := ReadText(p, 0)
		if err != nil {
			return nil, err
		}
		if total += len(text); total > maxTextBytes {
			return nil, fmt.Errorf("%s has more than %d bytes of text", path, maxTextBytes)
		}
		texts = append(texts, string(text))
	}
	return texts, nil
}

// textsIn lists the .txt files of a folder.
func textsIn(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir) // sorted
	if err != nil {
		return nil, fmt.Errorf("%w", err)
	}
	var paths []string
	for _, e := range entries {
		if !e.IsDir() && strings.EqualFold(filepath.Ext(e.Name()), ".txt") {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("%s has neither .txt files nor a sub-folder of images for each class", dir)
	}
	return paths, nil
}

// IsText reports whether path is to be read by [ReadDocuments]: it ends in
// .txt, or is a folder without sub-folders.
func IsText(path string) bool {
	if strings.EqualFold(filepath.Ext(path), ".txt") {
		return true
	}
	info, err := os.Stat(path)
	return err == nil && info.IsDir() && !IsImages(path)
}
