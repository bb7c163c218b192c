package ag

// Slabs returns the memory that t and the tapes that run in its stead lie in.
func Slabs(t *Tape) (bytes int) {
	for _, b := range t.ws.slabs.all {
		bytes += 4 * len(b.data)
	}
	return bytes
}
