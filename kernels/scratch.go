package kernels

// spares are the working memories of rows that are out of use.
var spares = reusable[[]float32]{make: func() *[]float32 { return new([]float32) }}

// borrow returns n elements with any values, to be given back to spares.
func borrow(n int) *[]float32 {
	s := spares.get()
	if cap(*s) < n {
		*s = make([]float32, n)
	}
	*s = (*s)[:n]
	return s
}
