package kernels

// tilesGeneric is tiles in plain Go, 2×4 elements at a time. The conversions to
// float32 forbid the compiler to fuse a product into its sum, which it does on
// some machines: so this level computes the same bits everywhere.
func tilesGeneric(rows, columns int, strips []strip, c []float32, ldc int, end ending) {
	for i := 0; i < rows; i += 2 {
		second := min(i+1, rows-1) // of one row, a copy of the first
		for j := 0; j < columns; j += 4 {
			var s00, s01, s02, s03, s10, s11, s12, s13 float32
			if end == goesOn {
				c0, c1 := c[i*ldc+j:][:4], c[second*ldc+j:][:4]
				s00, s01, s02, s03 = c0[0], c0[1], c0[2], c0[3]
				s10, s11, s12, s13 = c1[0], c1[1], c1[2], c1[3]
			}
			for _, s := range strips {
				a0, a1 := i*s.arow, second*s.arow
				for p := range s.k {
					x0, x1 := s.a[a0+p*s.acol], s.a[a1+p*s.acol]
					b := s.b[j*s.bcol+p*s.brow:][:4]
					s00 += float32(x0 * b[0])
					s01 += float32(x0 * b[1])
					s02 += float32(x0 * b[2])
					s03 += float32(x0 * b[3])
					s10 += float32(x1 * b[0])
					s11 += float32(x1 * b[1])
					s12 += float32(x1 * b[2])
					s13 += float32(x1 * b[3])
				}
			}
			store4(c[i*ldc+j:], s00, s01, s02, s03, end)
			if second > i {
				store4(c[second*ldc+j:], s10, s11, s12, s13, end)
			}
		}
	}
}

// store4 stores or adds four sums of one row.
func store4(c []float32, s0, s1, s2, s3 float32, end ending) {
	c = c[:4]
	if end == adds {
		s0, s1, s2, s3 = c[0]+s0, c[1]+s1, c[2]+s2, c[3]+s3
	}
	c[0], c[1], c[2], c[3] = s0, s1, s2, s3
}

// transposeGeneric is transpose in plain Go.
func transposeGeneric(rows, k int, src []float32, ld int, dst []float32, step int) {
	for i := range rows {
		for p := range k {
			dst[p*step+i] = src[i*ld+p]
		}
	}
}

// copyRowsGeneric is copyRows in plain Go.
func copyRowsGeneric(rows, columns int, src []float32, ld int, dst []float32, step int) {
	for p := range rows {
		copy(dst[p*step:][:columns], src[p*ld:])
	}
}

// fmaPeakGeneric is eight independent multiply-adds an iteration.
func fmaPeakGeneric(iterations int) (flops int) {
	const x, y = float32(0.5), float32(1)
	var s0, s1, s2, s3, s4, s5, s6, s7 float32
	for range iterations {
		s0 = float32(s0*x) + y
		s1 = float32(s1*x) + y
		s2 = float32(s2*x) + y
		s3 = float32(s3*x) + y
		s4 = float32(s4*x) + y
		s5 = float32(s5*x) + y
		s6 = float32(s6*x) + y
		s7 = float32(s7*x) + y
	}
	peakSink = s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7
	return 16 * iterations
}

// peakSink keeps the compiler from dropping the loop.
var peakSink float32
