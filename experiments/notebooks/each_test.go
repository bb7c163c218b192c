package notebooks

import (
	"context"
	"errors"
	"testing"
)

func TestEach(t *testing.T) {
	squares := make([]int, 100)
	if err := Each(context.Background(), len(squares), func(i int) error { squares[i] = i * i; return nil }); err != nil {
		t.Fatal(err)
	}
	for i, v := range squares {
		if v != i*i {
			t.Fatalf("call %d has not been made", i)
		}
	}
	failed := errors.New("failed")
	if err := Each(context.Background(), 10, func(i int) error { return failed }); err != failed {
		t.Errorf("of calls that fail: %v", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stop()
	if err := Each(ctx, 10, func(int) error { t.Error("a call after the end"); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("when it was stopped: %v", err)
	}
}
