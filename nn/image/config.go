package image

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/lowrank/lowrank/nn"
)

// UnmarshalJSON reads a preprocessor_config.json of a ViTImageProcessor or a
// CLIPImageProcessor, or of what they were called before. What is absent has
// that one's default. A key that would change the pixels and is not known here
// is an error that names it, and so is a configuration by which images of
// different sizes would keep different sizes.
func (p *Processor) UnmarshalJSON(data []byte) error {
	f, err := nn.ReadFields(data)
	if err != nil {
		return fmt.Errorf("image: %w", err)
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return fmt.Errorf("image: config: %w", err)
	}
	*p = Processor{}
	p.read(fields{f, raw})
	if err := f.Done(); err != nil {
		return fmt.Errorf("image: %w", err)
	}
	return nil
}

// fields can tell what kind of value a key has.
type fields struct {
	*nn.Fields
	raw map[string]json.RawMessage
}

func (f fields) isObject(key string) bool { return len(f.raw[key]) > 0 && f.raw[key][0] == '{' }

func (p *Processor) read(f fields) {
	key := "image_processor_type"
	if f.Ignore("feature_extractor_type"); !f.Has(key) {
		key = "feature_extractor_type"
	}
	clip := false
	switch name := f.String(key, ""); name {
	case "ViTImageProcessor", "ViTImageProcessorFast", "ViTFeatureExtractor":
	case "CLIPImageProcessor", "CLIPImageProcessorFast", "CLIPFeatureExtractor":
		clip = true
	default:
		f.Fail(key, " = %.60q: must be ViTImageProcessor or CLIPImageProcessor", name)
	}
	f.Ignore("processor_class", "do_convert_rgb") // bytes are of RGB in any case

	p.readSize(f, clip)
	p.Scale = 1
	if f.Ignore("rescale_factor"); f.Bool("do_rescale", true) {
		p.Scale = f.Positive("rescale_factor", 1.0/255)
	}
	p.Std = [3]float64{1, 1, 1}
	if f.Ignore("image_mean", "image_std"); f.Bool("do_normalize", true) {
		mean, std := []float64{0.5, 0.5, 0.5}, []float64{0.5, 0.5, 0.5}
		if clip {
			mean = []float64{0.48145466, 0.4578275, 0.40821073}
			std = []float64{0.26862954, 0.26130258, 0.27577711}
		}
		copy(p.Mean[:], colours(f, "image_mean", mean))
		copy(p.Std[:], colours(f, "image_std", std))
	}
}

// colours returns a number for each of red, green and blue; the deviations
// among them must be positive.
func colours(f fields, key string, otherwise []float64) []float64 {
	if !f.Has(key) {
		return otherwise
	}
	v := f.Floats(key)
	if len(v) != channels || key == "image_std" && !(slices.Min(v) > 0) {
		f.Fail(key, " = %v: must be one number for each of %d channels, and deviations positive", v, channels)
	}
	return v
}

// readSize reads what sizes an image takes on.
func (p *Processor) readSize(f fields, clip bool) {
	f.Ignore("size", "resample", "crop_size", "default_to_square")
	usual := 0
	if clip {
		usual = 224
	}
	if p.Resize = f.Bool("do_resize", true); p.Resize {
		p.Filter = Bilinear
		if clip {
			p.Filter = Bicubic
		}
		f.Only("resample", int(Bilinear), int(Bicubic))
		p.Filter = Filter(f.Index("resample", int(p.Filter)))
		p.ResizedHeight, p.ResizedWidth, p.ShortestEdge = edges(f, "size", 224, clip)
	}
	p.Height, p.Width = p.ResizedHeight, p.ResizedWidth
	if f.Bool("do_center_crop", clip) {
		var edge int
		if p.Height, p.Width, edge = edges(f, "crop_size", usual, false); edge > 0 {
			f.Fail("crop_size", " has a shortest_edge: must be a height and a width")
		}
	} else if p.Height == 0 {
		f.Fail("do_center_crop", " = false: images would have different sizes: must be true, or size a height and a width")
	}
	const most = 1 << 13
	if p.Height > most || p.Width > most {
		f.Fail("", "images of %d×%d pixels: must be at most %d×%d", p.Height, p.Width, most, most)
	}
}

// edges reads a size: an object, or in old files a number, which is the
// shortest edge or that of a square.
func edges(f fields, key string, otherwise int, shortest bool) (height, width, edge int) {
	if f.isObject(key) {
		o := f.Object(key)
		if shortest = o.Has("shortest_edge"); shortest {
			edge = o.Size("shortest_edge", 0)
		} else {
			height, width = o.Size("height", 0), o.Size("width", 0)
		}
		_ = o.Done() // its error is f's
		return height, width, edge
	}
	n := f.Size(key, otherwise)
	if shortest {
		return 0, 0, n
	}
	return n, n, 0
}
