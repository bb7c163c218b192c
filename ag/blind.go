package ag

// A blind query is one that its mask lets see no key: padding before a causal
// sequence. The models of transformers then add the same huge negative number to
// all its scores, in which they drown, so that it attends to all keys alike,
// whatever the mask says of them:
//
//	y = Σ_j v_j / K
//
// while its scores keep the gradient that a softmax at that point has,
//
//	ds_j = (dy·v_j − Σ_l dy·v_l / K) / K
//
// Nobody sees a blind query's row in turn, but a loss may: that of the token
// which follows it.

// eachBlind calls query for every blind query: the sequence and the query's row.
func (f *Attention) eachBlind(query func(b, i int)) {
	s := f.shape
	if f.mask.First == nil && f.mask.End == nil && f.mask.Window == 0 {
		return // a causal query sees itself at least
	}
	for b := range s.Batch {
		for i := range s.Queries {
			if s.Keys > 0 && !f.mask.Sees(b, i, s.Keys) {
				query(b, i)
			}
		}
	}
}

// heads calls head for each head of a row of q: its place in the row, and that of
// its keys' head in theirs.
func (f *Attention) heads(head func(h, at, kvAt int)) {
	s := f.shape
	for h := range s.Heads {
		head(h, h*s.Dim, h*s.KVHeads/s.Heads*s.Dim)
	}
}

// blindForward writes the rows of y that belong to blind queries.
func (f *Attention) blindForward() {
	s, v := f.shape, Floats(f.v)
	kn := s.KVHeads * s.Dim
	f.eachBlind(func(b, i int) {
		y := f.y.row(b*s.Queries + i)
		f.heads(func(h, at, kvAt int) {
			for d := range s.Dim {
				var sum float64
				for j := range s.Keys {
					sum += float64(v[(b*s.Keys+j)*kn+kvAt+d])
				}
				y[at+d] = float32(sum / float64(s.Keys))
			}
		})
	})
}

// blindBackward adds the gradients that go through blind queries.
func (f *Attention) blindBackward(dy, dq, dk, dv, dbias []float32) {
	s, q, k, v := f.shape, Floats(f.q), Floats(f.k), Floats(f.v)
	n, kn := s.Heads*s.Dim, s.KVHeads*s.Dim
	f.eachBlind(func(b, i int) {
		row := (b*s.Queries + i) * n
		if !anyNonzero(dy[row : row+n]) {
			return // the rule: no loss is of padding
		}
		if f.ds == nil {
			f.ds = make([]float64, s.Keys)
		}
		ds := f.ds
		f.heads(func(h, at, kvAt int) {
			g, mean := dy[row+at:][:s.Dim], 0.0
			for j := range ds {
				key := (b*s.Keys+j)*kn + kvAt
				ds[j] = 0
				for d, x := range g {
					ds[j] += float64(x) * float64(v[key+d])
					dv[key+d] += x / float32(s.Keys)
				}
				mean += ds[j] / float64(s.Keys)
			}
			for j := range ds {
				key, score := (b*s.Keys+j)*kn+kvAt, float32((ds[j]-mean)/float64(s.Keys))
				if dbias != nil {
					dbias[(h*s.Queries+i)*s.Keys+j] += score
				}
				for d := range s.Dim {
					dq[row+at+d] += f.scale * score * k[key+d]
					dk[key+d] += f.scale * score * q[row+at+d]
				}
			}
		})
	})
}

func anyNonzero(x []float32) bool {
	for _, v := range x {
		if v != 0 {
			return true
		}
	}
	return false
}
