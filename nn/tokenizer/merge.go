package tokenizer

// symbols is a word while bpe merges it: the symbols' ids and how many bytes
// each stands for.
type symbols struct {
	ids, sizes []int32
	ranks      []merge // short words: the merge of each symbol with the next
	prev, next []int32 // long words: the neighbours, -1 at the ends
	queue      []candidate
}

// A candidate is a merge that was possible when it was queued.
type candidate struct {
	merge
	at int32
}

const shortWord = 32 // symbols: below, looking at all merges beats a queue

func (s *symbols) add(id, size int) {
	s.ids = append(s.ids, int32(id))
	s.sizes = append(s.sizes, int32(size))
}

// mergeShort takes the best merge of all, again and again.
func (s *symbols) mergeShort(m *bpe) {
	ranks := s.ranks[:0]
	for i := 1; i < len(s.ids); i++ {
		ranks = append(ranks, m.find(s.ids[i-1], s.ids[i]))
	}
	s.ranks = ranks
	for len(ranks) > 0 {
		at := 0
		for i := range ranks {
			if ranks[i].rank < ranks[at].rank {
				at = i
			}
		}
		if ranks[at].rank == unmergeable {
			break
		}
		s.ids[at] = ranks[at].id
		s.sizes[at] += s.sizes[at+1]
		s.ids = append(s.ids[:at+1], s.ids[at+2:]...)
		s.sizes = append(s.sizes[:at+1], s.sizes[at+2:]...)
		ranks = append(ranks[:at], ranks[at+1:]...)
		if at > 0 {
			ranks[at-1] = m.find(s.ids[at-1], s.ids[at])
		}
		if at < len(ranks) {
			ranks[at] = m.find(s.ids[at], s.ids[at+1])
		}
	}
}

// mergeLong keeps the possible merges in a queue: n symbols take O(n log n).
func (s *symbols) mergeLong(m *bpe) {
	n := len(s.ids)
	s.prev, s.next, s.queue = s.prev[:0], s.next[:0], s.queue[:0]
	for i := range n {
		s.prev = append(s.prev, int32(i-1))
		s.next = append(s.next, int32(i+1))
		if i+1 < n {
			s.offer(m, int32(i), int32(i+1))
		}
	}
	s.next[n-1] = -1
	for i := len(s.queue)/2 - 1; i >= 0; i-- {
		s.sink(i)
	}
	for len(s.queue) > 0 {
		best := s.queue[0]
		last := len(s.queue) - 1
		s.queue[0] = s.queue[last]
		s.queue = s.queue[:last]
		s.sink(0)
		left := best.at
		right := s.next[left]
		if s.sizes[left] == 0 || right < 0 || m.find(s.ids[left], s.ids[right]) != best.merge {
			continue // a neighbour has been merged since
		}
		s.ids[left] = best.id
		s.sizes[left] += s.sizes[right]
		s.sizes[right] = 0
		after := s.next[right]
		s.next[left] = after
		if after >= 0 {
			s.prev[after] = left
			s.push(m, left, after)
		}
		if before := s.prev[left]; before >= 0 {
			s.push(m, before, left)
		}
	}
	kept := 0
	for i := range n {
		if s.sizes[i] > 0 {
			s.ids[kept], s.sizes[kept] = s.ids[i], s.sizes[i]
			kept++
		}
	}
	s.ids, s.sizes = s.ids[:kept], s.sizes[:kept]
}

// offer appends the merge of two neighbours to the queue, if there is one.
func (s *symbols) offer(m *bpe, left, right int32) bool {
	found := m.find(s.ids[left], s.ids[right])
	if found.rank == unmergeable {
		return false
	}
	s.queue = append(s.queue, candidate{found, left})
	return true
}

func (s *symbols) push(m *bpe, left, right int32) {
	if !s.offer(m, left, right) {
		return
	}
	i := len(s.queue) - 1
	for i > 0 && s.queue[i].before(s.queue[(i-1)/2]) {
		s.queue[i], s.queue[(i-1)/2] = s.queue[(i-1)/2], s.queue[i]
		i = (i - 1) / 2
	}
}

// sink moves the candidate at i down to its place in the heap.
func (s *symbols) sink(i int) {
	for {
		child := 2*i + 1
		if child >= len(s.queue) {
			return
		}
		if child+1 < len(s.queue) && s.queue[child+1].before(s.queue[child]) {
			child++
		}
		if !s.queue[child].before(s.queue[i]) {
			return
		}
		s.queue[i], s.queue[child] = s.queue[child], s.queue[i]
		i = child
	}
}

func (c candidate) before(d candidate) bool {
	return c.rank < d.rank || c.rank == d.rank && c.at < d.at
}
