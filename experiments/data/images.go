package data

import (
	"bufio"
	"fmt"
	"image"
	_ "image/gif" // the formats that are read
	_ "image/jpeg"
	_ "image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// An Image is the path of a file and the class that its folder is.
type Image struct {
	Path  string
	Class string
}

// maxPixels bounds an image: a small file can claim to be of any size.
const maxPixels = 1 << 26

// imageEnds are the ends of the names of images that are read.
var imageEnds = []string{".png", ".jpg", ".jpeg", ".gif"}

// IsImages reports whether path is a folder with sub-folders.
func IsImages(path string) bool {
	entries, err := os.ReadDir(path)
	return err == nil && slices.ContainsFunc(entries, os.DirEntry.IsDir)
}

// ListImages lists the images of the sub-folders of a folder, each a class of
// its name, and looks whether each is one. Names that start with a dot are
// passed over.
func ListImages(dir string) ([]Image, error) {
	classes, err := os.ReadDir(dir) // sorted
	if err != nil {
		return nil, fmt.Errorf("%w", err)
	}
	var images []Image
	for _, class := range classes {
		if !class.IsDir() || strings.HasPrefix(class.Name(), ".") {
			continue
		}
		files, err := os.ReadDir(filepath.Join(dir, class.Name()))
		if err != nil {
			return nil, fmt.Errorf("%w", err)
		}
		n := len(images)
		for _, f := range files {
			path := filepath.Join(dir, class.Name(), f.Name())
			if strings.HasPrefix(f.Name(), ".") {
				continue
			}
			if f.IsDir() || !slices.Contains(imageEnds, strings.ToLower(filepath.Ext(path))) {
				return nil, fmt.Errorf("%s: must be an image that ends in %s", path, strings.Join(imageEnds, ", "))
			}
			if err := checkImage(path); err != nil {
				return nil, err
			}
			images = append(images, Image{path, class.Name()})
		}
		if len(images) == n {
			return nil, fmt.Errorf("%s: the class has no image", filepath.Join(dir, class.Name()))
		}
	}
	if len(images) == 0 {
		return nil, fmt.Errorf("%s has no sub-folder of images", dir)
	}
	return images, nil
}

// checkImage reads the head of a file.
func checkImage(path string) error {
	if err := checkFile(path, 1<<30); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("%w", err)
	}
	defer f.Close()
	c, _, err := image.DecodeConfig(bufio.NewReader(f))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if c.Width < 1 || c.Height < 1 || c.Width > maxPixels/c.Height {
		return fmt.Errorf("%s is of %d×%d pixels: must be at most %d", path, c.Width, c.Height, maxPixels)
	}
	return nil
}

// ReadImage decodes an image.
func ReadImage(path string) (image.Image, error) {
	if err := checkImage(path); err != nil { // the file may be another now
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w", err)
	}
	defer f.Close()
	img, _, err := image.Decode(bufio.NewReader(f))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return img, nil
}
