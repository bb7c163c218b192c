package tokenizer

import (
	"encoding/binary"
	"errors"
	"slices"
)

// An automaton finds the matches of a pattern. A match is the one that a
// backtracking matcher would find (earlier alternatives and greedier repeats
// first), but the whole automaton is built beforehand, its states being the
// ordered lists of places that the backtracking could be in: a character costs
// one look into a table. A look-ahead of one character is settled by the class
// of the character that comes next. See R. Cox, "Regular Expression Matching:
// the Virtual Machine Approach" (2009).
type automaton struct {
	alphabet *alphabet
	width    int      // classes
	next     []uint16 // next[state·width + class] is 2·state' + 1 if a match ends before the character; state' 0 is dead, 1 the start
}

const (
	maxProgram = 2000    // instructions
	maxStates  = 1 << 12 // of an automaton
	maxWork    = 1 << 24 // steps to build one
)

var errComplex = errors.New("pattern needs too large an automaton")

// An inst is an instruction of the backtracking matcher.
type inst struct {
	op       instOp
	set      int // char, look: of program.sets
	end      bool
	out, alt int // alt is tried second
}

type instOp uint8

const (
	instMatch instOp = iota
	instChar
	instLook
	instSplit
)

// A program is a pattern as instructions, the last of which is where to begin.
type program struct {
	insts []inst
	sets  []charset
}

// compile builds the automaton of a pattern, which must not match the empty
// text.
func compile(pattern string) (*automaton, error) {
	n, err := parsePattern(pattern)
	if err != nil {
		return nil, err
	}
	return n.automaton()
}

func (n *node) automaton() (*automaton, error) {
	p := &program{insts: []inst{{op: instMatch}}}
	start := p.add(n, 0)
	if len(p.insts) > maxProgram || len(p.sets) > 255 {
		return nil, errComplex
	}
	letters, ok := classes(p.sets)
	if !ok {
		return nil, errComplex
	}
	return p.build(start, letters)
}

// set is the index of s among the sets.
func (p *program) set(s charset) int {
	for i, t := range p.sets {
		if slices.Equal(s, t) {
			return i
		}
	}
	if len(p.sets) <= 255 {
		p.sets = append(p.sets, s)
	}
	return len(p.sets) - 1
}

func (p *program) emit(i inst) int {
	p.insts = append(p.insts, i)
	return len(p.insts) - 1
}

// add emits n so that it goes on at out, and returns where it begins.
func (p *program) add(n *node, out int) int {
	if len(p.insts) > maxProgram {
		return out
	}
	switch n.op {
	case opChar:
		return p.emit(inst{op: instChar, set: p.set(n.set), out: out})
	case opLook:
		return p.emit(inst{op: instLook, set: p.set(n.set), end: n.end, out: out})
	case opSequence:
		for _, part := range slices.Backward(n.list) {
			out = p.add(part, out)
		}
		return out
	case opEither:
		first := p.add(n.list[len(n.list)-1], out)
		for _, part := range slices.Backward(n.list[:len(n.list)-1]) {
			first = p.emit(inst{op: instSplit, out: p.add(part, out), alt: first})
		}
		return first
	}
	split := func(more, stop int) inst {
		if n.lazy {
			more, stop = stop, more
		}
		return inst{op: instSplit, out: more, alt: stop}
	}
	if n.max < 0 {
		loop := p.emit(inst{})
		p.insts[loop] = split(p.add(n.list[0], loop), out)
		out = loop
	}
	for i := n.min; i < n.max && len(p.insts) <= maxProgram; i++ {
		out = p.emit(split(p.add(n.list[0], out), out))
	}
	for i := 0; i < n.min && len(p.insts) <= maxProgram; i++ {
		out = p.add(n.list[0], out)
	}
	return out
}

// build follows every class from every state, from the start on.
func (p *program) build(start int, letters *alphabet) (*automaton, error) {
	a := &automaton{alphabet: letters, width: len(letters.samples)}
	holds := make([][]bool, len(p.sets)) // holds[set][class]
	for i, s := range p.sets {
		holds[i] = make([]bool, a.width)
		for c, r := range letters.samples {
			holds[i][c] = c > 0 && s.has(r)
		}
	}
	states := [][]int{nil, {start}}
	known := map[string]int{"": 0, key(states[1]): 1}
	seen := make([]int, len(p.insts))   // the round in which an instruction was last visited
	placed := make([]int, len(p.insts)) // and in which it was last put among the places
	round, work := 0, 0
	var stack []int
	for state := 0; state < len(states); state++ {
		for class := range a.width {
			round++
			matched := false
			var places []int
			stack = append(stack[:0], states[state]...)
			slices.Reverse(stack)
			for len(stack) > 0 && !matched {
				at := stack[len(stack)-1]
				stack = stack[:len(stack)-1]
				if seen[at] == round {
					continue
				}
				seen[at] = round
				if work++; work > maxWork {
					return nil, errComplex
				}
				switch i := p.insts[at]; i.op {
				case instMatch:
					matched = true
				case instSplit:
					stack = append(stack, i.alt, i.out)
				case instLook:
					if class == 0 && i.end || holds[i.set][class] {
						stack = append(stack, i.out)
					}
				case instChar:
					if holds[i.set][class] && placed[i.out] != round {
						placed[i.out] = round
						places = append(places, i.out)
					}
				}
			}
			if matched && state == 1 {
				return nil, errors.New("pattern matches the empty text")
			}
			k := key(places)
			to, ok := known[k]
			if !ok {
				to = len(states)
				known[k] = to
				states = append(states, places)
				if len(states) > maxStates {
					return nil, errComplex
				}
			}
			step := uint16(to << 1)
			if matched {
				step |= 1
			}
			a.next = append(a.next, step)
		}
	}
	return a, nil
}

func key(places []int) string {
	var b []byte
	for _, p := range places {
		b = binary.AppendUvarint(b, uint64(p))
	}
	return string(b)
}

// A search goes through one text. Dead ends are remembered, so that a text
// takes time in proportion to its length even if every match looks far beyond
// its own end (T. Reps, "Maximal-munch tokenization in linear time", TOPLAS
// 1998).
type search struct {
	a    *automaton
	text string
	dead map[deadEnd]struct{}
}

// A deadEnd is a state from which no match ends at or after that place.
type deadEnd struct {
	at    int
	state uint16
}

const (
	patience = 64 // characters without a match before dead ends are looked up
	stride   = 32 // bytes from one remembered dead end to the next
)

// match is where the match that begins at i ends, or -1.
func (s *search) match(i int) int {
	a, end, state, since := s.a, -1, uint16(1), 0
	var trail []deadEnd
	for {
		class, n := a.alphabet.class(s.text[i:])
		step := a.next[int(state)*a.width+int(class)]
		if step&1 != 0 {
			end, since, trail = i, 0, trail[:0]
		}
		if state = step >> 1; state == 0 {
			break
		}
		i += n
		if since++; since > patience && i/stride != (i-n)/stride {
			here := deadEnd{i, state}
			if _, dead := s.dead[here]; dead {
				break
			}
			trail = append(trail, here)
		}
	}
	if len(trail) > 0 && s.dead == nil {
		s.dead = map[deadEnd]struct{}{}
	}
	for _, d := range trail {
		s.dead[d] = struct{}{}
	}
	return end
}

// next is the first match at or after i; start is the text's length if there
// is none.
func (s *search) next(i int) (start, end int) {
	for i < len(s.text) {
		if end := s.match(i); end >= 0 {
			return i, end
		}
		_, n := s.a.alphabet.class(s.text[i:])
		i += n
	}
	return i, i
}
