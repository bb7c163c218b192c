package compare

import "time"

// How long a side runs untimed when its turn comes, the same in the peers' programs:
// caches hold what another process used, and a kernel may wake all threads of a
// process on one core and spread them only after some milliseconds. So a run of
// several threads goes on until the process has used nearly as much processor time
// as they have, for some time.
const (
	warmLeast  = 4 * time.Millisecond
	warmMost   = 40 * time.Millisecond
	warmWindow = 2 * time.Millisecond
	warmShare  = 0.9                   // of the threads' time
	warmShort  = 50 * time.Microsecond // a run that may well use one thread alone
)

// warm runs a piece of work until it may be timed.
func warm(threads int, run func()) {
	began := time.Now()
	from, used, runs := began, CPUTime(), 0
	for {
		run()
		runs++
		elapsed, window := time.Since(began), time.Since(from)
		if window < warmWindow {
			continue
		}
		now := CPUTime()
		spread := threads == 1 || window < time.Duration(runs)*warmShort ||
			(now-used).Seconds() >= warmShare*float64(threads)*window.Seconds()
		if elapsed >= warmLeast && spread || elapsed >= warmMost {
			return
		}
		from, used, runs = time.Now(), now, 0
	}
}
