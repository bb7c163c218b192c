package ag_test

import (
	"math"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/ag/agtest"
)

// A matrix is a float64 reference.
type matrix struct {
	rows, cols int
	x          []float64
}

func newMatrix(rows, cols int, f func(i, j int) float64) matrix {
	m := matrix{rows, cols, make([]float64, rows*cols)}
	for i := range rows {
		for j := range cols {
			m.x[i*cols+j] = f(i, j)
		}
	}
	return m
}

func wide(v *ag.Variable) matrix {
	return newMatrix(v.Rows(), v.Cols(), func(i, j int) float64 { return float64(v.Floats()[i*v.Cols()+j]) })
}

func (m matrix) at(i, j int) float64 { return m.x[i*m.cols+j] }
func (m matrix) t() matrix {
	return newMatrix(m.cols, m.rows, func(i, j int) float64 { return m.at(j, i) })
}
func (m matrix) times(b matrix) matrix {
	return newMatrix(m.rows, b.cols, func(i, j int) float64 {
		return sum(m.cols, func(k int) float64 { return m.at(i, k) * b.at(k, j) })
	})
}
func (m matrix) norm() float64 {
	return math.Sqrt(sum(len(m.x), func(i int) float64 { return m.x[i] * m.x[i] }))
}
func (m matrix) softmax() matrix {
	return newMatrix(m.rows, m.cols, func(i, j int) float64 {
		return math.Exp(m.at(i, j)) / sum(m.cols, func(k int) float64 { return math.Exp(m.at(i, k)) })
	})
}

func sum(n int, f func(k int) float64) (s float64) {
	for k := range n {
		s += f(k)
	}
	return s
}

// Every operator computes its formula, as written down in float64.
func TestValues(t *testing.T) {
	const m, n, out, r = 7, 33, 17, 6
	seed := uint64(100)
	random := func(rows, cols int) (*ag.Variable, matrix) {
		seed++
		v := agtest.Random(rows, cols, seed)
		return v, wide(v)
	}
	x, X := random(m, n)
	y, _ := random(m, n)
	Y := wide(awayFromZero(y))
	row, Row := random(1, n)
	bias, Bias := random(1, n)
	begin, Begin := random(1, out)
	gain, Gain := random(1, m)
	w, W := random(out, n)
	a, A := random(r, n)
	b, B := random(out, r)
	g, G := random(m, 3)
	one, _ := random(1, 1)
	frozen := ag.NewWeight(out, n, w.Floats())
	delta := B.times(A)
	targets := []int32{4, -1, 0, 32, -100, 7, 7}
	nll := func(i int) float64 {
		if targets[i] < 0 {
			return 0
		}
		return -math.Log(X.softmax().at(i, int(targets[i])))
	}
	entries := func(rows, cols int, f func(i, j int) float64) matrix { return newMatrix(rows, cols, f) }
	scalar := func(v float64) matrix { return matrix{1, 1, []float64{v}} }
	mean := func(i int) float64 { return sum(n, func(k int) float64 { return X.at(i, k) }) / n }
	shares := make([]float32, m*n)
	for e := range shares {
		shares[e] = float32(e%5) / 4
	}
	minusI := func(m matrix) matrix {
		return newMatrix(m.rows, m.cols, func(i, j int) float64 {
			if i == j {
				return m.at(i, j) - 1
			}
			return m.at(i, j)
		})
	}
	const batch, tokens, heads, kv, dim = 1, 7, 3, 1, 11
	k, K := random(m, kv*dim)
	v, V := random(m, kv*dim)
	score := func(h, i, j int) float64 {
		return math.Exp(sum(dim, func(d int) float64 { return X.at(i, h*dim+d) * K.at(j, d) }) / math.Sqrt(dim))
	}
	places, Places := random(heads*tokens, tokens)
	placed := func(h, i, j int) float64 { // of tokens 1 to 4, without √d
		return math.Exp(sum(dim, func(d int) float64 { return X.at(i, h*dim+d) * K.at(j+1, d) }) + Places.at(h*tokens+i, j+1))
	}

	for name, c := range map[string]struct {
		f    ag.Function
		want matrix
	}{
		"Add":                      {ag.NewAdd(x, y), entries(m, n, func(i, j int) float64 { return X.at(i, j) + Y.at(i, j) })},
		"Mul":                      {ag.NewMul(x, y), entries(m, n, func(i, j int) float64 { return X.at(i, j) * Y.at(i, j) })},
		"Div":                      {ag.NewDiv(x, y), entries(m, n, func(i, j int) float64 { return X.at(i, j) / Y.at(i, j) })},
		"AddBias":                  {ag.NewAddBias(x, bias), entries(m, n, func(i, j int) float64 { return X.at(i, j) + Bias.at(0, j) })},
		"ScaleRows":                {ag.NewScaleRows(x, gain), entries(m, n, func(i, j int) float64 { return X.at(i, j) * Gain.at(0, i) })},
		"ScaleCols":                {ag.NewScaleCols(x, row), entries(m, n, func(i, j int) float64 { return X.at(i, j) * Row.at(0, j) })},
		"Linear":                   {ag.NewLinear(x, w), X.times(W.t())},
		"Linear with a bias":       {ag.NewLinear(x, w).AddBias(begin), entries(m, out, func(i, j int) float64 { return X.times(W.t()).at(i, j) + Begin.at(0, j) })},
		"FrozenLinear with a bias": {ag.NewFrozenLinear(x, frozen).AddBias(begin), entries(m, out, func(i, j int) float64 { return X.times(W.t()).at(i, j) + Begin.at(0, j) })},
		"LowRankLinear with a bias": {ag.NewLowRankLinear(x, frozen, a, b, 0.5, nil).AddBias(begin), entries(m, out, func(i, j int) float64 {
			return Begin.at(0, j) + X.times(entries(n, out, func(i, j int) float64 { return W.at(j, i) + 0.5*delta.at(j, i) })).at(i, j)
		})},
		"ScaleCols with a bias": {ag.NewScaleCols(x, row).AddBias(bias), entries(m, n, func(i, j int) float64 { return X.at(i, j)*Row.at(0, j) + Bias.at(0, j) })},
		"FrozenLinear":          {ag.NewFrozenLinear(x, frozen), X.times(W.t())},
		"Product":               {ag.NewProduct(b, a, 0.5), entries(out, n, func(i, j int) float64 { return 0.5 * delta.at(i, j) })},
		"LowRankLinear": {ag.NewLowRankLinear(x, frozen, a, b, 0.5, nil), X.times(entries(n, out, func(i, j int) float64 {
			return W.at(j, i) + 0.5*delta.at(j, i)
		}))},
		"LowRankLinear gated": {ag.NewLowRankLinear(x, frozen, a, b, 0.5, g), entries(m, out, func(i, j int) float64 {
			base, u := X.times(W.t()), X.times(A.t())
			return base.at(i, j) + 0.5*sum(r, func(k int) float64 { return G.at(i, k/2) * u.at(i, k) * B.at(j, k) })
		})},
		"RowNorms": {ag.NewRowNorms(frozen, a, b, 0.5), entries(1, out, func(_, i int) float64 {
			return math.Sqrt(sum(n, func(j int) float64 { return math.Pow(W.at(i, j)+0.5*delta.at(i, j), 2) }))
		})},
		"Embedding": {ag.NewEmbedding(w, []int32{3, 16, 0, 3}), entries(4, n, func(i, j int) float64 { return W.at([]int{3, 16, 0, 3}[i], j) })},
		"RMSNorm": {ag.NewRMSNorm(x, row, 0.25), entries(m, n, func(i, j int) float64 {
			return Row.at(0, j) * X.at(i, j) / math.Sqrt(sum(n, func(k int) float64 { return X.at(i, k) * X.at(i, k) })/n+0.25)
		})},
		"LayerNorm": {ag.NewLayerNorm(x, row, bias, 0.25), entries(m, n, func(i, j int) float64 {
			variance := sum(n, func(k int) float64 { return math.Pow(X.at(i, k)-mean(i), 2) }) / n
			return Row.at(0, j)*(X.at(i, j)-mean(i))/math.Sqrt(variance+0.25) + Bias.at(0, j)
		})},
		"SwiGLU": {ag.NewSwiGLU(x, x), entries(m, n, func(i, j int) float64 { return X.at(i, j) * X.at(i, j) / (1 + math.Exp(-X.at(i, j))) })},
		"GELU":   {ag.NewGELU(x), entries(m, n, func(i, j int) float64 { return X.at(i, j) * (1 + math.Erf(X.at(i, j)/math.Sqrt2)) / 2 })},
		"GELUTanh": {ag.NewGELUTanh(x), entries(m, n, func(i, j int) float64 {
			return X.at(i, j) / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(X.at(i, j)+0.044715*math.Pow(X.at(i, j), 3))))
		})},
		"QuickGELU":     {ag.NewQuickGELU(x), entries(m, n, func(i, j int) float64 { return X.at(i, j) * logistic(1.702*X.at(i, j)) })},
		"SiLU":          {ag.NewSiLU(x), entries(m, n, func(i, j int) float64 { return X.at(i, j) * logistic(X.at(i, j)) })},
		"Tanh":          {ag.NewTanh(x), entries(m, n, func(i, j int) float64 { return math.Tanh(X.at(i, j)) })},
		"ReLU":          {ag.NewReLU(x), entries(m, n, func(i, j int) float64 { return (X.at(i, j) + math.Abs(X.at(i, j))) / 2 })},
		"Scale":         {ag.NewScale(x, -3), entries(m, n, func(i, j int) float64 { return -3 * X.at(i, j) })},
		"Reshape":       {ag.NewReshape(x, 21, 11), matrix{21, 11, X.x}},
		"Lookup":        {ag.NewLookup(w, []int32{3, 32, 0, 3}, 0.5), entries(4, out, func(i, k int) float64 { return W.at(k, []int{3, 32, 0, 3}[i]) / 2 })},
		"ChannelsFirst": {ag.NewChannelsFirst(prefix(x, 6, 33), 2, 3), entries(2, 99, func(b, e int) float64 { return X.at(b*3+e%3, e/3) })},
		"Prepend": {ag.NewPrepend(prefix(x, 6, 33), row, 2), entries(8, 33, func(i, j int) float64 {
			if i%4 == 0 {
				return Row.at(0, j)
			}
			return X.at(i/4*3+i%4-1, j)
		})},
		"WeightedMean": {ag.NewWeightedMean(x, y.Floats()), scalar(sum(m*n, func(e int) float64 { return X.x[e] * Y.x[e] }) / (m * n))},
		"MeanSquare":   {ag.NewMeanSquare(x, y.Floats()), scalar(sum(m*n, func(e int) float64 { return math.Pow(X.x[e]-Y.x[e], 2) }) / (m * n))},
		"BinaryCrossEntropy": {ag.NewBinaryCrossEntropy(x, shares), scalar(sum(m*n, func(e int) float64 {
			t := float64(shares[e])
			return -t*math.Log(logistic(X.x[e])) - (1-t)*math.Log(logistic(-X.x[e]))
		}) / (m * n))},
		"Softmax":                  {ag.NewSoftmax(x), X.softmax()},
		"Orthogonality of rows":    {ag.NewOrthogonality(x, true), scalar(minusI(X.times(X.t())).norm())},
		"Orthogonality of columns": {ag.NewOrthogonality(x, false), scalar(minusI(X.t().times(X)).norm())},
		"CrossEntropy":             {ag.NewCrossEntropy(x, targets), scalar(sum(m, nll) / 5)},
		"Sum":                      {ag.NewSum([]float32{2, -1}, one, one), scalar(float64(one.Floats()[0]))},
		"RoPE": {ag.NewRoPE(prefix(x, m, 32), 4, 8, 3, 50), entries(m, 32, func(i, j int) float64 {
			X := wide(prefix(x, m, 32))
			head, at := j/8*8, j%8
			angle := float64(i%3) * math.Pow(50, -float64(at%4)/4)
			if at < 4 {
				return X.at(i, j)*math.Cos(angle) - X.at(i, head+at+4)*math.Sin(angle)
			}
			return X.at(i, j)*math.Cos(angle) + X.at(i, head+at-4)*math.Sin(angle)
		})},
		"Attention": {ag.NewAttention(x, k, v, batch, tokens, heads, kv, true), entries(m, n, func(i, j int) float64 {
			h, d := j/dim, j%dim
			return sum(i+1, func(t int) float64 { return score(h, i, t) * V.at(t, d) }) / sum(i+1, func(t int) float64 { return score(h, i, t) })
		})},
		"Attention with a bias": {ag.NewAttentionTo(x, k, v, batch, tokens, tokens, heads, kv, ag.AttentionOptions{
			Scale: 1, Bias: places, Mask: ag.Mask{First: []int{1}, End: []int{5}},
		}), entries(m, n, func(i, j int) float64 {
			h, d := j/dim, j%dim
			return sum(4, func(t int) float64 { return placed(h, i, t) * V.at(t+1, d) }) / sum(4, func(t int) float64 { return placed(h, i, t) })
		})},
		"TopKSoftmax": {ag.NewTopKSoftmax(ag.NewVariable(3, 4, []float32{
			1, 3, 2, 0,
			5, 5, 5, 5, // ties: the first two
			-9, 0, -9, 1,
		}), 2), matrix{3, 4, []float64{
			0, logistic(1), logistic(-1), 0,
			0.5, 0.5, 0, 0,
			0, logistic(-1), 0, logistic(1),
		}}},
	} {
		got, err := c.f.Forward()
		if err != nil {
			t.Fatal(err)
		}
		rows, cols := ag.Dims(got)
		if rows != c.want.rows || cols != c.want.cols {
			t.Errorf("%s is %d×%d, want %d×%d", name, rows, cols, c.want.rows, c.want.cols)
			continue
		}
		for i, v := range ag.Floats(got) {
			// Sums of up to 33 products of values below 4: 2⁻²⁴ of each.
			if d := math.Abs(float64(v) - c.want.x[i]); !(d <= 2e-6*(math.Abs(c.want.x[i])+16)) {
				t.Errorf("%s: entry %d is %g, want %g", name, i, v, c.want.x[i])
				break
			}
		}
	}
}

func logistic(z float64) float64 { return 1 / (1 + math.Exp(-z)) }

// prefix holds the first rows×cols values of v.
func prefix(v *ag.Variable, rows, cols int) *ag.Variable {
	return ag.NewVariable(rows, cols, v.Floats()[:rows*cols])
}
