package ag

import "fmt"

// A Window is the geometry of a convolution: a kernel that moves over the
// Height×Width entries of each of the Channels of an image by a stride, with
// padding of zeros on either side.
type Window struct {
	Channels, Height, Width   int
	KernelHeight, KernelWidth int
	StrideHeight, StrideWidth int
	PadHeight, PadWidth       int
}

// OutHeight and OutWidth return how many places the kernel takes.
func (w Window) OutHeight() int {
	return (w.Height+2*w.PadHeight-w.KernelHeight)/w.StrideHeight + 1
}
func (w Window) OutWidth() int {
	return (w.Width+2*w.PadWidth-w.KernelWidth)/w.StrideWidth + 1
}

// In and Size return the number of entries of an image and of a kernel.
func (w Window) In() int   { return w.Channels * w.Height * w.Width }
func (w Window) Size() int { return w.Channels * w.KernelHeight * w.KernelWidth }

// Check returns what is wrong with w, by the name of the field.
func (w Window) Check() error {
	for _, c := range []struct {
		name     string
		v, least int
	}{
		{"Channels", w.Channels, 1}, {"Height", w.Height, 1}, {"Width", w.Width, 1},
		{"KernelHeight", w.KernelHeight, 1}, {"KernelWidth", w.KernelWidth, 1},
		{"StrideHeight", w.StrideHeight, 1}, {"StrideWidth", w.StrideWidth, 1},
		{"PadHeight", w.PadHeight, 0}, {"PadWidth", w.PadWidth, 0},
	} {
		if c.v < c.least {
			return fmt.Errorf("%s = %d, need at least %d", c.name, c.v, c.least)
		}
	}
	if most := w.Height + 2*w.PadHeight; w.KernelHeight > most {
		return fmt.Errorf("KernelHeight = %d, need 1 to %d", w.KernelHeight, most)
	}
	if most := w.Width + 2*w.PadWidth; w.KernelWidth > most {
		return fmt.Errorf("KernelWidth = %d, need 1 to %d", w.KernelWidth, most)
	}
	return nil
}

// spans calls span for each row of a channel's kernel that meets the image at
// place (oy, ox): n entries, from in of the image and from at of the kernel.
func (w Window) spans(oy, ox int, span func(in, at, n int)) {
	top, left := oy*w.StrideHeight-w.PadHeight, ox*w.StrideWidth-w.PadWidth
	from, to := max(0, -left), min(w.KernelWidth, w.Width-left)
	if from >= to {
		return
	}
	for c := range w.Channels {
		for y := max(0, -top); y < min(w.KernelHeight, w.Height-top); y++ {
			span((c*w.Height+top+y)*w.Width+left+from, (c*w.KernelHeight+y)*w.KernelWidth+from, to-from)
		}
	}
}
