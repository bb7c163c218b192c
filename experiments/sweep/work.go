package sweep

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
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

// Run trains what is left of the grid on so many workers, at least one, and
// returns the records of all its runs. Runs lie in dir/ID; those that are
// complete there are not trained again. A run that fails is recorded and the
// others go on. When ctx is done the runs at work save checkpoints, and Run
// returns what is complete with ctx.Err().
func Run(ctx context.Context, setting *experiments.Setting, grid *Grid, dir string, workers int, w Watcher) ([]*record.Run, error) {
	workers = max(1, workers)
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
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	recs := make([]*record.Run, len(configs))
	runs := make([]*experiments.Run, len(configs))
	var left []int
	for i, c := range configs {
		runs[i] = &experiments.Run{Setting: setting, Config: c, Dir: filepath.Join(dir, c.Name), Cache: filepath.Join(filepath.Dir(dir), experiments.Calibrations)}
		if rec, finished := runs[i].Finished(); finished {
			recs[i] = rec
			w.End(rec, true, nil)
			continue
		}
		left = append(left, i)
	}

	var mu sync.Mutex
	var unwritable error // a folder where not even a failure could be recorded
	train := func(i int) {
		run := runs[i]
		run.Watch = func(step, steps int, loss float64) {
			mu.Lock()
			defer mu.Unlock()
			w.Step(configs[i].Name, step, steps, loss)
		}
		rec, err := run.Do(ctx)
		if err != nil && ctx.Err() != nil {
			return // cut off, to be resumed
		}
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			if rec, _ = record.ReadRun(run.Dir); rec == nil || rec.Status != record.Failed {
				unwritable = fmt.Errorf("%s: %w", run.Dir, err)
				stop()
				return
			}
		}
		recs[i] = rec
		w.End(rec, false, err)
	}
	var wg sync.WaitGroup
	queue := make(chan int)
	for range workers {
		wg.Go(func() {
			for i := range queue {
				if ctx.Err() == nil {
					train(i)
				}
			}
		})
	}
	for _, i := range left {
		queue <- i
	}
	close(queue)
	wg.Wait()
	recs = slices.DeleteFunc(recs, func(r *record.Run) bool { return r == nil })
	if unwritable != nil {
		return recs, unwritable
	}
	return recs, ctx.Err()
}
