package lora

import (
	"fmt"
	"iter"
	"slices"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn"
)

// A Stream is the mean gradients of the loss for the weights of targets over some
// batches, block by block, where [Calibrate] holds all. Where blocks are computed again
// ([nn.Context.Block]) the batches go backward side by side: each waits between two
// blocks until the others have come as far, and what they have for the maps of the block
// is added up meanwhile. For that the graphs of all batches are there at once, of which
// the outputs of blocks alone are kept; tapes that are made [ag.Tape.Beside] each other
// share the memory for the rest. Without such blocks every batch goes back at once, and
// all gradients are held.
//
// They are those of Calibrate, bit for bit where a map is in one block. They come
// from the last block to the first, which is the order that [Inject] starts maps in. Of
// a map that is asked for out of turn, those before it are held until they are freed.
type Stream struct {
	calibration *calibration // nil: it has ended
	courses     []*course
	at          *course            // that runs
	left        map[*nn.Linear]int // products that have not been added
	held        map[string][]float32
	spare       map[int][][]float32 // of gradients that were freed, by size
	err         error
}

// A course is one batch on its way back through the model.
type course struct {
	batch int
	uses  map[*nn.Linear]int // how often its graph has the map
	tape  *ag.Tape
	next  func() (struct{}, bool)
	stop  func()
	wait  func(struct{}) bool // between blocks; false: the stream was closed
	done  bool
	err   error
}

// OpenStream runs so many batches forward, and backward through the last block. The
// function loss runs batch i, from 0, forward and backward; every call must build a
// graph of its own, which stays. Embeddings, and maps that share a weight, have no
// stream: [Calibrate] has their gradients. The model must have no adapters, and is left
// as it was once the last gradient was asked for, or by [Stream.Close].
func OpenStream(model nn.Model, targets Targets, batches int, loss func(batch int) error) (*Stream, error) {
	c, err := calibrate(model, targets, batches)
	if err != nil {
		return nil, err
	}
	s := &Stream{calibration: c, held: map[string][]float32{}, spare: map[int][][]float32{}}
	weights := map[*ag.Variable]bool{}
	for _, l := range c.targets {
		if l.Kind == nn.Table || l.Tied != nil || weights[l.W] {
			err = fmt.Errorf("lora: %s is an embedding, or shares its weight: its gradient is no product of one input and output", l.Name)
			break
		}
		weights[l.W] = true
	}
	if err == nil {
		err = s.begin(loss)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// StreamBytes returns how much memory the gradients of the block with the largest
// targets take, which is what a stream holds where blocks are computed again and it is
// asked in its order.
func StreamBytes(model nn.Model, targets Targets) (most int64, err error) {
	selected, err := targets.Select(model.Linears())
	blocks := map[int]int64{}
	for _, l := range selected {
		n := layerOf(l.Name)
		blocks[n] += 4 * int64(l.Out) * int64(l.In)
		most = max(most, blocks[n])
	}
	return most, err
}

// begin builds the graphs, with a tap on every target meanwhile.
func (s *Stream) begin(loss func(batch int) error) error {
	for _, l := range s.calibration.targets {
		l.Adapter = &tap{l, s, ag.NewParameter(1, l.Out, nil)}
		defer func() { l.Adapter = nil }()
	}
	for i := range s.calibration.batches {
		c := &course{batch: i, uses: map[*nn.Linear]int{}}
		c.next, c.stop = iter.Pull(func(yield func(struct{}) bool) {
			c.wait = yield
			c.err = loss(i)
		})
		s.courses = append(s.courses, c)
		if err := s.resume(c); err != nil {
			return err
		}
		for _, l := range s.calibration.targets {
			switch n := c.uses[l]; {
			case n == 0:
				return c.wrong("%s is not part of the graph", l.Name)
			case n != s.courses[0].uses[l]:
				return c.wrong("%s is %d times in the graph, and was %d times in that of the first", l.Name, n, s.courses[0].uses[l])
			case c.done && s.left[l] != n*(s.calibration.batches-1-i):
				return c.wrong("no gradient reaches %s", l.Name)
			}
		}
	}
	s.settle()
	return nil
}

// resume lets a course go on to the next block, or to its end.
func (s *Stream) resume(c *course) error {
	s.at = c
	if _, more := c.next(); !more {
		c.done = true
	}
	if c.err != nil {
		return c.wrong("%w", c.err)
	}
	return nil
}

func (c *course) wrong(format string, args ...any) error {
	return fmt.Errorf("lora: calibration batch %d: %w", c.batch, fmt.Errorf(format, args...))
}

// A tap stands in the place of a map's adapter while graphs are built.
type tap struct {
	*nn.Linear
	stream *Stream
	shift  *ag.Variable // 1×out of zeros, trained: gradients come this far, of a weight that is frozen
}

func (t *tap) Forward(c *nn.Context, x ag.Tensor) ag.Tensor {
	t.Adapter = nil
	y := c.Run(ag.NewAddBias(t.Linear.Forward(c, x), t.shift))
	t.Adapter = t
	on := t.stream.at
	on.uses[t.Linear]++
	if on.tape != c.Tape {
		on.tape = c.Tape
		c.Between(func() {
			if on.wait != nil && !on.wait(struct{}{}) {
				on.wait = nil // the stream was closed: to the end without a stop
			}
		})
	}
	y.Value().(*ag.Variable).Watch(func(dy []float32) { t.stream.add(t.Linear, ag.Floats(x), dy) })
	return y
}

func (t *tap) Lookup(*nn.Context, []int32) ag.Tensor { panic("lora: a table is not tapped") }

// add adds dyᵀ·x to the gradient of a map.
func (s *Stream) add(l *nn.Linear, x, dy []float32) {
	if s.left == nil { // the first graph is there
		s.left = map[*nn.Linear]int{}
		for l, n := range s.at.uses {
			s.left[l] = n * s.calibration.batches
		}
	}
	g, again := s.held[l.Name]
	if !again {
		g = s.take(l.Out * l.In)
		s.held[l.Name] = g
	}
	kernels.MatMul(kernels.TN, again, l.Out, l.In, len(x)/l.In, dy, l.Out, x, l.In, g, l.In)
	if s.left[l]--; s.left[l] == 0 {
		for i := range g {
			g[i] /= float32(s.calibration.batches)
		}
	}
}

// Of returns the mean gradient of a map's weight; nil where there is none, or if the
// batches have failed, which [Stream.Close] tells.
func (s *Stream) Of(m *adapter.Map) []float32 {
	for s.err == nil && s.left[m.Linear] > 0 {
		if s.err = s.advance(m.Linear); s.err != nil {
			s.end()
		}
	}
	if s.err != nil {
		return nil
	}
	return s.held[m.Name]
}

// advance takes all batches through a block, towards a map.
func (s *Stream) advance(to *nn.Linear) error {
	more := false
	for _, c := range s.courses {
		if c.done {
			continue
		}
		more = true
		if err := s.resume(c); err != nil {
			return err
		}
	}
	if !more {
		return fmt.Errorf("lora: calibration: no gradient reaches %s in every batch", to.Name)
	}
	s.settle()
	return nil
}

// settle ends the batches when all of them have come to their end.
func (s *Stream) settle() {
	if !slices.ContainsFunc(s.courses, func(c *course) bool { return !c.done }) {
		s.end()
	}
}

// take returns memory for n values.
func (s *Stream) take(n int) []float32 {
	free := s.spare[n]
	if len(free) == 0 {
		return make([]float32, n)
	}
	s.spare[n] = free[:len(free)-1]
	return free[len(free)-1]
}

// Free lets go of the gradient of a map, for [Options.Started]: its memory is the next
// one's.
func (s *Stream) Free(m *adapter.Map) {
	if g, ok := s.held[m.Name]; ok {
		delete(s.held, m.Name)
		s.spare[len(g)] = append(s.spare[len(g)], g)
	}
}

// Close ends the batches where they are, and returns what went wrong with them.
func (s *Stream) Close() error {
	s.end()
	return s.err
}

func (s *Stream) end() {
	if s.calibration == nil {
		return
	}
	for _, c := range s.courses {
		c.stop()
	}
	s.calibration.end()
	s.calibration, s.courses, s.spare = nil, nil, map[int][][]float32{}
}
