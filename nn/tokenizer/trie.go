package tokenizer

// A trie maps texts to numbers and finds all prefixes of a text in one walk.
// Its edges stand in one hash table, keyed by node and byte.
type trie struct {
	keys     []uint64 // node<<8 | byte, plus one; 0: a free place
	children []int32
	values   []int32 // of the nodes; -1: no text ends here
	used     int
}

const root int32 = 0

func newTrie() *trie {
	return &trie{keys: make([]uint64, 64), children: make([]int32, 64), values: []int32{-1}}
}

// place is where the edge stands, or would.
func (t *trie) place(key uint64) int {
	mask := uint64(len(t.keys) - 1)
	h := key * 0x9E3779B97F4A7C15
	for h = (h ^ h>>29) & mask; t.keys[h] != 0 && t.keys[h] != key; h = (h + 1) & mask {
	}
	return int(h)
}

// step is the node that the byte leads to, or -1.
func (t *trie) step(node int32, c byte) int32 {
	key := (uint64(node)<<8 | uint64(c)) + 1
	if h := t.place(key); t.keys[h] == key {
		return t.children[h]
	}
	return -1
}

func (t *trie) add(text string, value int) {
	node := root
	for i := range len(text) {
		next := t.step(node, text[i])
		if next < 0 {
			next = int32(len(t.values))
			t.values = append(t.values, -1)
			t.edge((uint64(node)<<8|uint64(text[i]))+1, next)
		}
		node = next
	}
	t.values[node] = int32(value)
}

func (t *trie) edge(key uint64, child int32) {
	if t.used++; 2*t.used > len(t.keys) {
		keys, children := t.keys, t.children
		t.keys, t.children = make([]uint64, 2*len(keys)), make([]int32, 2*len(keys))
		for i, k := range keys {
			if k != 0 {
				h := t.place(k)
				t.keys[h], t.children[h] = k, children[i]
			}
		}
	}
	h := t.place(key)
	t.keys[h], t.children[h] = key, child
}

// walk is the node that text leads to from node, or -1.
func (t *trie) walk(node int32, text string) int32 {
	for i := 0; i < len(text) && node >= 0; i++ {
		node = t.step(node, text[i])
	}
	return node
}

// find is the value of text, or -1.
func (t *trie) find(text string) int {
	if node := t.walk(root, text); node >= 0 {
		return int(t.values[node])
	}
	return -1
}

// longest is the longest prefix of text that leads from node to a value: its
// length, and the value or -1.
func (t *trie) longest(node int32, text string) (n, value int) {
	value = -1
	for i := range len(text) {
		if node = t.step(node, text[i]); node < 0 {
			break
		}
		if v := t.values[node]; v >= 0 {
			n, value = i+1, int(v)
		}
	}
	return n, value
}
