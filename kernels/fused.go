package kernels

// More loops: functions, and the fused ones, which do for attention, the norms and
// softmax in one pass what would be several. All is said as for the other loops.
//
//	tanh(y, x), erf(y, x)
//	rotateHeads(y, x, cos, sin, sign, acc)
//	                                 for each head of 2·len(cos) elements of y and x, of one head
//	                                 at least, which holds all x1 and then all x2:
//	                                 y1_i (+)= x1_i·cos_i - x2_i·s, s = sign·sin_i
//	                                 y2_i (+)= x2_i·cos_i + x1_i·s
//	scaleRows(y, ldy, x, ldx, factors, step, rows)
//	                                 scale for each of so many rows, one at least, ldy and ldx apart,
//	                                 whose first are y and x, by factors that are step apart
//	expSum(y, x, shift) float64      y_i = exp(x_i - shift), where x_i - shift ≤ 88; returns Σ y_i
//	exp2Sum(y, x, shift) float64     y_i = 2^(x_i - shift), where that is below 2^127; returns Σ y_i
//	scoreGrad(p, d, shift, mean)     p_i = 2^(p_i - shift), then d_i = p_i·(d_i - mean)
//	moments(x) (sum, squares)        returns Σ x_i and Σ x_i²
//	affine(y, x, w, b, shift, scale) y_i = (x_i - shift)·scale·w_i + b_i
//	normSums(x, w, dy, shift) (level, along)
//	                                 returns Σ w_i·dy_i and Σ w_i·dy_i·(x_i - shift), rounded as in dot3
//	normInput(dx, x, w, dy, direct, shift, slope, level, acc)
//	                                 dx_i (+)= direct·w_i·dy_i - slope·(x_i - shift) - level
//	softmaxInput(dx, y, dy, mean, acc)
//	                                 dx_i (+)= y_i·(dy_i - mean)
//
// exp may be 0 below 2^-126 and +Inf above 2^127.
