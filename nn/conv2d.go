package nn

import "github.com/lowrank/lowrank/ag"

// A Conv2D is a convolution of images: the linear map of their windows.
type Conv2D struct {
	*Linear // Kind Convolution
	Window  ag.Window
}

// Forward builds the map on images, batch×(channels·height·width). A row of the
// result, (batch·positions)×out, is a position, row by row of the image.
func (v *Conv2D) Forward(c *Context, images ag.Tensor) ag.Tensor {
	return v.Linear.Forward(c, c.Run(ag.NewUnfold(images, v.Window)))
}
