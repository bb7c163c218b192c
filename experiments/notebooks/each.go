package notebooks

import (
	"context"
	"runtime"
	"sync"
)

// Each calls f with 0 to n-1, as many at a time as there are threads, and
// returns the first of their errors by number. No call begins after ctx is done
// or another has failed.
func Each(ctx context.Context, n int, f func(i int) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	errs, next := make([]error, n), make(chan int)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := range next {
				if errs[i] = f(i); errs[i] != nil {
					stop(errs[i])
				}
			}
		})
	}
	for i := 0; i < n && ctx.Err() == nil; i++ {
		next <- i
	}
	close(next)
	workers.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}
