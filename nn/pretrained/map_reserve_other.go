//go:build unix && !linux

package pretrained

// unreserved is an option of Linux.
const unreserved = 0
