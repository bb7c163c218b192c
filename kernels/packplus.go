package kernels

// AddProduct adds Aᵀ·B to the values of p, k×n: a is r×k and b is r×n. An element
// becomes what it was plus one sum over r, as by [MatMul] with acc set: of the values
// before and the two factors that is the Packed of the sum, which is held nowhere.
// It panics if a or b is too short or r negative.
func (p *Packed) AddProduct(r int, a []float32, lda int, b []float32, ldb int) {
	const fn = "AddProduct"
	checkSize(fn, "r", r)
	checkMatrix(fn, "a", r, p.k, a, lda)
	checkMatrix(fn, "b", r, p.n, b, ldb)
	if r == 0 || p.k == 0 {
		return
	}
	d := additions.get()
	d.to, d.r, d.a, d.b = p, r, matrix{a, 1, lda}, matrix{b, ldb, 1}
	Parallel(ceil(p.n, shapes[p.level].wide), d.job)
	*d = addition{job: d.job}
	additions.put(d)
}

// An addition is a call of AddProduct as the threads share it.
type addition struct {
	to   *Packed
	r    int
	a, b matrix
	job  func(i int) // d.panel, bound once
}

var additions = reusable[addition]{make: func() *addition {
	d := new(addition)
	d.job = d.panel
	return d
}}

// panel is one job: it adds to one panel, which is a matrix with k rows.
func (d *addition) panel(i int) {
	p := d.to
	j := i * shapes[p.level].wide
	panel, width := p.panel(j)
	sum := operation{level: p.level, acc: true, m: p.k, n: min(shapes[p.level].wide, p.n-j), k: d.r, a: d.a, b: d.b.at(0, j), c: panel, ldc: width}
	sum.multiply()
}
