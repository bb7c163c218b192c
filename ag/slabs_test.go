package ag

import "testing"

// Who takes gets the least that is large enough and is not its own yet; what it drops it
// may take again, unless it was made for it.
func TestSlabs(t *testing.T) {
	s := &slabs{}
	one, two := workspaceIn(s), workspaceIn(s)
	large, small := one.floats(10), one.floats(5)
	same := func(what string, a, b []float32, n int) {
		t.Helper()
		if &a[0] != &b[0] || len(a) != n || cap(a) != n {
			t.Errorf("%s: have %d values, want %d in the same place", what, len(a), n)
		}
	}
	same("three", two.floats(3), small, 3)
	eight := two.floats(8)
	same("eight", eight, large, 8)
	two.drop(eight)
	same("nine", two.floats(9), large, 9)
	twenty := two.floats(20)
	if len(s.all) != 3 || len(s.all[2].data) != 20 {
		t.Errorf("there are %d slabs", len(s.all))
	}
	two.drop(twenty)
	two.drop(nil)
	if len(s.all) != 2 {
		t.Errorf("there are %d slabs, one was dropped", len(s.all))
	}
}
