package kernels

import (
	"math"
	"math/rand/v2"
	"testing"
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
