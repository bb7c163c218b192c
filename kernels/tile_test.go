package kernels

import (
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"
)

// The tiles against the loop that defines them, for whatever their contract allows and
// no product may ask for at present: of one strip and two, of rows of B that lie whole
// and of panels one behind the other. Sums of k+1 terms below 1 in float32 err by at
// most (k+1)²·2⁻²⁴.
func TestTiles(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		s := &shapes[active]
		rng := rand.New(rand.NewPCG(1, 2))
		random := func(n int) []float32 {
			x := make([]float32, n)
			for i := range x {
				x[i] = 2*rng.Float32() - 1
			}
			return x
		}
		for _, rows := range []int{1, 2, s.rows} {
			for columns := 1; columns <= 4*s.wide; columns++ {
				whole := columns%s.wide == 0
				for _, panels := range [][]bool{{false}, {true}, {false, false}, {false, true}, {true, true}} {
					most := 0
					var strips []strip
					for i, panel := range panels {
						if (panel || !s.masked) && !whole {
							strips = nil
							break
						}
						k := 3 + 2*i
						a := strip{k: k, a: random(rows * k), arow: k, acol: 1, b: random(k * columns), brow: columns, bcol: 1}
						if panel {
							a.brow, a.bcol = s.wide, k
						}
						strips, most = append(strips, a), most+k
					}
					if strips == nil {
						continue
					}
					for _, end := range []ending{stores, adds, goesOn} {
						c := random(rows * columns)
						old := append([]float32(nil), c...)
						tiles(active, rows, columns, strips, c, columns, end)
						for i := range rows {
							for j := range columns {
								var want float64
								if end != stores {
									want = float64(old[i*columns+j])
								}
								for _, st := range strips {
									for p := range st.k {
										want += float64(st.a[i*st.arow+p]) * float64(st.b[j/s.wide*s.wide*st.bcol+p*st.brow+j%s.wide])
									}
								}
								if got := float64(c[i*columns+j]); !(math.Abs(got-want) <= float64((most+1)*(most+1))*0x1p-24) {
									t.Fatalf("%d×%d, panels %v, ending %d: c(%d, %d) is %v, want %v", rows, columns, panels, end, i, j, got, want)
								}
							}
						}
					}
				}
			}
		}
	})
}

// Rows of every length that packing copies arrive whole, whatever lies around them: of
// a source that ends where memory does, to rows whose padding up to a multiple of eight
// is all that may change beside them.
func TestCopyRows(t *testing.T) {
	const rows, most = 3, 130
	memory, err := newFence(4 * (rows*most + most))
	if err != nil {
		t.Fatal(err)
	}
	all := unsafe.Slice((*float32)(unsafe.Pointer(&memory[0])), len(memory)/4)
	eachLevel(t, func(t *testing.T) {
		for columns := 1; columns <= most; columns++ {
			for _, ld := range []int{columns, columns + 3} {
				src := all[len(all)-(rows-1)*ld-columns:]
				for i := range src {
					src[i] = float32(i + 1)
				}
				step := columns + 8
				dst := make([]float32, rows*step)
				for i := range dst {
					dst[i] = -1
				}
				copyRows(active, rows, columns, src, ld, dst, step)
				for i, got := range dst {
					p, j := i/step, i%step
					switch {
					case j < columns && got != src[p*ld+j]:
						t.Fatalf("%d columns, %d apart: element %d of row %d is %v, want %v", columns, ld, j, p, got, src[p*ld+j])
					case j >= (columns+7)&^7 && got != -1:
						t.Fatalf("%d columns, %d apart: what lies behind row %d is overwritten", columns, ld, p)
					}
				}
			}
		}
	})
}
