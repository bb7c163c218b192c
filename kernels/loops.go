package kernels

// The loops, the innermost functions of all element- and row-wise operations, at
// any level. Every slice is as long as the first one; an output is one of the
// inputs or does not overlap them. Where (+)= stands, acc adds to the output
// instead of overwriting it. The order of a sum depends on its length alone.
//
//	dot(x, y) float64                returns Σ x_i·y_i
//	dot3(x, y, z) float64            returns Σ x_i·y_i·z_i, of products and of three of them
//	                                 maybe rounded to float32
//	maximum(x) float32               returns the largest x_i; -Inf if there is none; skips NaN
//	axpy(alpha, x, y)                y_i += alpha·x_i
//	scale(y, alpha, x)               y_i = alpha·x_i
//	add(dst, a, b)                   dst_i = a_i + b_i
//	mul(dst, alpha, a, b)            dst_i = alpha·a_i·b_i
//	mulAdd(dst, alpha, a, b)         dst_i += alpha·a_i·b_i
//	normWeights(dw, db, x, dy, alpha, shift)
//	                                 dw_i += alpha·(x_i - shift)·dy_i, and db_i += dy_i
//	expShift(y, x, scale, shift)     y_i = exp(scale·x_i - shift); returns Σ y_i
//	siluMul(y, gate, up)             y_i = gate_i·σ(gate_i)·up_i
//	siluMulGrad(dgate, dup, dy, gate, up, acc)
//	                                 dgate_i (+)= dy_i·up_i·s·(1 + gate_i·(1-s)), s = σ(gate_i)
//	                                 dup_i (+)= dy_i·gate_i·s
//	gelu(y, x)                       y_i = x_i·Φ(x_i)
//	geluGrad(dx, dy, x, acc)         dx_i (+)= dy_i·(Φ(x_i) + x_i·φ(x_i))
//	geluTanh(y, x)                   y_i = x_i·σ(u(x_i)), u(x) = c1·(x + c3·x³)
//	geluTanhGrad(dx, dy, x, acc)     dx_i (+)= dy_i·(s + x_i·s·(1-s)·u'(x_i)), s = σ(u(x_i))
//	adamw(w, g, m, v, decay, rest1, beta2, rest2, invRoot, eps, step)
//	                                 m_i += rest1·(g_i - m_i)
//	                                 v_i = beta2·v_i + rest2·g_i²
//	                                 w_i = decay·w_i - step·m_i/(invRoot·√v_i + eps)
//
// Sums are taken in float64, products inside them too; AVX levels sum up to three
// exponentials as float32 first. Plain Go computes exp and erf in float64 and rounds
// once; in assembly exp errs by at most 2 units in the last place at any argument,
// and what lies below the smallest normal number is rounded once more, except inside
// other functions, where it may be 0. NaN passes through all of them but maximum.
