package sweep

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/lowrank/lowrank/experiments"
	"github.com/lowrank/lowrank/experiments/record"
	"github.com/lowrank/lowrank/kernels"
)

// A Watcher is told what a sweep does. Its methods are called one at a time.
type Watcher interface {
	Plan(runs int)                                   // so many more are to be trained
	Step(id string, step, steps int, loss float64)   // of a run at work
	End(rec *record.Run, reused bool, failure error) // a run is over, or was found done
}

// Run trains what is left of the grid on so many workers and returns the
// records of all its runs. Runs lie in dir/ID; those that are complete there
// are not trained again. A run that fails is recorded and the others go on.
// When ctx is done the runs at work save checkpoints, and Run returns what is
// complete with ctx.Err().
func Run(ctx context.Context, setting *experiments.Setting, grid *Grid, dir string, workers int, w Watcher) ([]*record.Run, error) {
	kernels.SetThreads(max(1, runtime.GOMAXPROCS(0)/workers)) // runs side by side share the processors
	defer kernels.SetThreads(0)
	done := map[string]*record.Run{}
	var order []string
	for {
		configs := grid.Next(done)
		if len(configs) == 0 {
			break
		}
		w.Plan(len(configs))
		recs, err := round(ctx, setting, configs, dir, workers, w)
		for _, rec := range recs {
			done[rec.ID] = rec
			order = append(order, rec.ID)
		}
		if err != nil {
			return collect(done, order), err
		}
	}
	return collect(done, order), nil
}

func collect(done map[string]*record.Run, order []string) []*record.Run {
	recs := make([]*record.Run, len(order))
	for i, id := range order {
		recs[i] = done[id]
	}
	return recs
}

// round trains configs on workers and returns their records in order. An
// error is ctx's, or that of a folder which cannot be written.
func round(ctx context.Context, setting *experiments.Setting, configs []*experiments.Config, dir string, workers int, w Watcher) ([]*record.Run, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	recs := make([]*record.Run, len(configs))
	var mu sync.Mutex
	var wg sync.WaitGroup
	queue := make(chan int)
	for range workers {
		wg.Go(func() {
			for i := range queue {
				run := &experiments.Run{Setting: setting, Config: configs[i], Dir: filepath.Join(dir, configs[i].Name)}
				run.Watch = func(step, steps int, loss float64) {
					mu.Lock()
					defer mu.Unlock()
					w.Step(configs[i].Name, step, steps, loss)
				}
				rec, reused := run.Finished()
				var err error
				if !reused {
					rec, err = run.Do(ctx)
				}
				if err != nil && ctx.Err() != nil {
					continue // cut off, to be resumed
				}
				if err != nil {
					if rec, _ = record.ReadRun(run.Dir); rec == nil || rec.Status != record.Failed {
						stop(fmt.Errorf("%s: %w", run.Dir, err)) // not even the failure could be recorded
						continue
					}
				}
				recs[i] = rec
				mu.Lock()
				w.End(rec, reused, err)
				mu.Unlock()
			}
		})
	}
	for i := range configs {
		select {
		case queue <- i:
		case <-ctx.Done():
		}
	}
	close(queue)
	wg.Wait()
	var whole []*record.Run
	for _, rec := range recs {
		if rec != nil {
			whole = append(whole, rec)
		}
	}
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return whole, err
	}
	return whole, ctx.Err()
}
