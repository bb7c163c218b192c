// Package geometry is the geometry of a low-rank update ΔW = s·B·A and of the
// frozen weight W0 that it is added to: singular values and vectors, angles
// between subspaces, the overlap with what W0 does already, amplification,
// intruder dimensions, and how two updates stand to each other. Factors are
// float32 rows, as adapters keep them; all arithmetic is in float64, and ΔW is
// never formed.
//
// A subspace is a matrix whose orthonormal columns span it; nil is the subspace
// that holds nothing, as that of an update of zeros, of which angles and
// overlaps are not defined.
package geometry
