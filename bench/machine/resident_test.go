package machine

import (
	"errors"
	"testing"
)

func TestResident(t *testing.T) {
	before, err := Resident()
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("not known on this system")
	}
	if err != nil {
		t.Fatal(err)
	}
	const size = 64 << 20
	x := make([]byte, size)
	for i := range x {
		x[i] = 1 // pages of its own
	}
	after, err := Resident()
	if err != nil || after < before+size/2 || x[len(x)-1] != 1 {
		t.Errorf("%d bytes, and %d after %d more, %v", before, after, size, err)
	}
}
