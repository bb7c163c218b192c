package pretrained

import (
	"encoding/binary"
	"os"
	"unsafe"
)

// untouched reports whether the whole pages of a part of a private mapping are the
// file's still: what is written to one makes it the process' own, and is lost when
// the page is forgotten. The kernel tells by a word a page (its documentation,
// admin-guide/mm/pagemap); where it does not, nothing is untouched.
func untouched(b []byte) bool {
	const (
		present = 1 << 63
		swapped = 1 << 62
		ofFile  = 1 << 61
	)
	b = wholePages(b)
	f, err := os.Open("/proc/self/pagemap")
	if err != nil {
		return false
	}
	defer f.Close()
	page := os.Getpagesize()
	words := make([]byte, len(b)/page*8)
	at := uintptr(unsafe.Pointer(unsafe.SliceData(b))) / uintptr(page) * 8
	if _, err := f.ReadAt(words, int64(at)); err != nil {
		return false
	}
	for ; len(words) > 0; words = words[8:] {
		w := binary.NativeEndian.Uint64(words)
		if w&swapped != 0 || w&present != 0 && w&ofFile == 0 {
			return false
		}
	}
	return true
}
