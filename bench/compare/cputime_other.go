//go:build !unix

package compare

import "time"

// CPUTime is not known: a side of several threads warms up for as long as it may.
func CPUTime() time.Duration { return 0 }
