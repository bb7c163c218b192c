package main

// The numbers of exp, of x = n·ln2 + r with |r| ≤ ln2/2 (Cephes expf): ln2 in two
// parts, the first short enough that its product with n is exact, and the
// polynomial of degree 7 in r, the highest power first.
const (
	ln2High = 0.693359375
	ln2Low  = -2.12194440e-4
)

var expCoefficients = []float64{1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1, 1, 1}

// The numbers of erf (N. Juffa's in single precision): up to the bound the odd
// polynomial of erf(t)/t - 1 in t², and above it that of (ln erfc(t) + t)/t in t.
const erfBound = 0.927734375

var (
	erfCoefficients  = []float64{-5.96761703e-4, 4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1, 1.28379166e-1}
	erfcCoefficients = []float64{-1.72853470e-5, 3.83197126e-4, -3.88396438e-3, 2.42546219e-2, -1.06777877e-1, -6.34846687e-1, -1.28717512e-1}
)

// The polynomial of degree 6 of e^r for |r| ≤ ln2/2, to 3e-9 of itself, the
// highest power first.
var expNormalCoefficients = []float64{0.00138145968867, 0.00836871692045, 0.0416683880851, 0.166665206313, 0.499999934476, 1, 1}

// The polynomial of degree 5 of 2^r for |r| ≤ ½, to 9.2e-8 of itself and right at 0, the
// highest power first.
var exp2Coefficients = []float64{0.00132647271401, 0.00967151263996, 0.0555073374347, 0.240222420854, 0.693146977599, 1}

// NEON's polynomial of degree 10 of Φ(-a)·e^(a²/2) for 0 ≤ a ≤ tailRange, such that
// Φ(-a) is right to 6.6e-8, the highest power first.
const tailRange = 5.6

var tailCoefficients = []float64{1.631587346e-6, -3.5206106639e-5, 0.00033972718346, -0.0019745872937, 0.0079393094823, -0.024313837934, 0.061154834225, -0.13251378998, 0.24991679639, -0.39893651547, 0.49999993412}

// The polynomial of degree 4 of (tanh(x)/x - 1)/x² in x² up to the bound of x, to
// 3.4e-9 of tanh, the highest power first.
const tanhBound = 0.61

var tanhCoefficients = []float64{-0.0058192314343, 0.020734939726, -0.053767124266, 0.13331746671, -0.33333292257}
