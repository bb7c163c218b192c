package analyze

import "io"

// WritePage is written below.
func (r *Report) WritePage(w io.Writer) error { return nil }
