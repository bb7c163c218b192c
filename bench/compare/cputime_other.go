//go:build !unix

package compare

import "time"

// cpuTime is not known: a side of several threads warms up for as long as it may.
func cpuTime() time.Duration { return 0 }
