// Package delta holds the parametrizations, a file each: which factors there
// are, and what they make of the base weight. Forward, merge, parameter count,
// rank bound, files and instruments all follow from a delta's one Form.
package delta
