package kernels

// FMAPeak runs a loop of multiply-adds on registers alone at the active level,
// and returns how many floating-point operations that were, two a multiply-add.
// Divided by the time it took, it is the most that one core can reach.
func FMAPeak(iterations int) (flops float64) {
	return float64(fmaPeak(active, iterations))
}
