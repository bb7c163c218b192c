package lora

import (
	"fmt"
	"iter"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn"
)

// A Stream is the mean gradients of the loss for the weights of targets over some
// batches, one map at a time, where [Calibrate] holds all: the batches go backward side
// by side, and what they have for a map is added up as soon as all of them have come to
// it. For that the graphs of all batches are there at once, which is little where
// blocks are computed again ([nn.Context.Block]).
//
// They are those of Calibrate, bit for bit where a map is once in the graph.
// Gradients come from the last map of the graph to the first, which is the order that
// [Inject] starts maps in. Of a map that is asked for out of turn, those before it
// are held until they are freed.
type Stream struct {
	calibration *calibration // nil: it has ended
	courses     []*course
	at          *course // that builds its graph
	left        map[*nn.Linear]int
	held        map[string][]float32
	spare       map[int][][]float32 // of gradients that were freed, by size
	err         error
}

// A course is one batch on its way back through the model, which waits at every target.
type course struct {
	batch   int
	uses    map[*nn.Linear]int // how often its graph has the map
	next    func() (tapped, bool)
	stop    func()
	wait    func(tapped) bool // false: the stream was closed
	now     tapped
	waiting bool
	err     error
}

// A tapped map is one in a graph, with the gradient of its output.
type tapped struct {
	of *nn.Linear
	x  ag.Tensor
	dy []float32
}

// OpenStream runs so many batches forward, and backward up to the first target that
// they come to. The function loss runs batch i, from 0, forward and backward; every
// call must build a graph of its own, which stays. Embeddings, and maps that share a
// weight, have no stream: [Calibrate] has their gradients. The model must have no
// adapters, and is left as it was once the last gradient was asked for, or by
// [Stream.Close].
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

// StreamBytes returns how much memory the gradient of the largest target takes,
// which is what a stream holds where it is asked in its order.
func StreamBytes(model nn.Model, targets Targets) (most int64, err error) {
	selected, err := targets.Select(model.Linears())
	for _, l := range selected {
		most = max(most, 4*int64(l.Out)*int64(l.In))
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
		c.next, c.stop = iter.Pull(func(yield func(tapped) bool) {
			c.wait = yield
			c.err = loss(i)
		})
		s.courses, s.at = append(s.courses, c), c
		if err := c.resume(); err != nil {
			return err
		}
		for _, l := range s.calibration.targets {
			switch n := c.uses[l]; {
			case n == 0:
				return c.wrong("%s is not part of the graph", l.Name)
			case n != s.courses[0].uses[l]:
				return c.wrong("%s is %d times in the graph, and was %d times in that of the first", l.Name, n, s.courses[0].uses[l])
			case !c.waiting:
				return c.wrong("no gradient reaches %s", l.Name)
			}
		}
	}
	s.left = s.courses[0].uses
	return nil
}

// resume lets the course go on to its next target, or to its end.
func (c *course) resume() error {
	if c.now, c.waiting = c.next(); c.err != nil {
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
	y.Value().(*ag.Variable).Watch(func(dy []float32) {
		if on.wait != nil && !on.wait(tapped{t.Linear, x, dy}) {
			on.wait = nil // the stream was closed: to the end without a stop
		}
	})
	return y
}

func (t *tap) Lookup(*nn.Context, []int32) ag.Tensor { panic("lora: a table is not tapped") }

// Of returns the mean gradient of a map's weight; nil where there is none, or if the
// batches have failed, which [Stream.Close] tells.
func (s *Stream) Of(m *adapter.Map) []float32 {
	for s.err == nil && s.left[m.Linear] > 0 {
		if s.err = s.advance(); s.err != nil {
			s.end()
		}
	}
	if s.err != nil {
		return nil
	}
	return s.held[m.Name]
}

// advance adds up what the courses have for the map that they have come to.
func (s *Stream) advance() error {
	of := s.courses[0].now.of
	for _, c := range s.courses {
		if !c.waiting || c.now.of != of {
			return c.wrong("it does not come to the maps in the order of the first batch")
		}
	}
	g, again := s.held[of.Name]
	if !again {
		g = s.take(of.Out * of.In)
		s.held[of.Name] = g
	}
	for _, c := range s.courses {
		rows, _ := ag.Dims(c.now.x)
		kernels.MatMul(kernels.TN, again, of.Out, of.In, rows, c.now.dy, of.Out, ag.Floats(c.now.x), of.In, g, of.In)
		again = true
		if err := c.resume(); err != nil {
			return err
		}
	}
	if s.left[of]--; s.left[of] > 0 {
		return nil
	}
	for i := range g {
		g[i] /= float32(len(s.courses))
	}
	for _, n := range s.left {
		if n > 0 {
			return nil
		}
	}
	s.end()
	return nil
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
