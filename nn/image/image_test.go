package image_test

import (
	"encoding/json"
	"fmt"
	stdimage "image"
	"image/color"
	"image/draw"
	"image/png"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/nn/image"
	"github.com/lowrank/lowrank/nn/pretrained"
)

// testdata has an image, what Pillow 13.0 resizes it to, and the pixels that
// transformers 5.17's ViTImageProcessorPil and CLIPImageProcessorPil make of it
// by the configurations of cases.json.

func source(t *testing.T) stdimage.Image {
	t.Helper()
	f, err := os.Open("testdata/source.png")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func recorded(t *testing.T) *pretrained.Safetensors {
	t.Helper()
	s, err := pretrained.ReadSafetensors("testdata/recorded.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func pixels(t *testing.T, p *image.Processor, img stdimage.Image) []float32 {
	t.Helper()
	v, err := p.Append(nil, img)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func equalBits(t *testing.T, name string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d values, want %d", name, len(got), len(want))
		return
	}
	for i := range got {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Errorf("%s[%d] = %g, want %g bit for bit", name, i, got[i], want[i])
			return
		}
	}
}

// bytes returns a processor that only resizes.
func bytes(width, height int, f image.Filter) *image.Processor {
	return &image.Processor{
		Resize: true, ResizedHeight: height, ResizedWidth: width, Filter: f,
		Height: height, Width: width, Scale: 1, Std: [3]float64{1, 1, 1},
	}
}

func TestResize(t *testing.T) {
	img, want := source(t), recorded(t)
	n := 0
	for _, name := range want.Names() {
		var f image.Filter
		var w, h int
		if k, _ := fmt.Sscanf(name, "resize.%d.%dx%d", &f, &w, &h); k != 3 {
			continue
		}
		n++
		_, raw, err := want.Raw(name) // height×width×3 bytes
		if err != nil {
			t.Fatal(err)
		}
		values := make([]float32, len(raw))
		for i, b := range raw {
			values[i%3*w*h+i/3] = float32(b)
		}
		equalBits(t, name, pixels(t, bytes(w, h, f), img), values)
	}
	if n != 14 {
		t.Errorf("%d recorded sizes, want 14", n)
	}
}

func TestProcessors(t *testing.T) {
	img, want := source(t), recorded(t)
	b, err := os.ReadFile("testdata/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name   string
		Config image.Processor
	}
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		x, err := want.Tensor("pixels." + c.Name)
		if err != nil {
			t.Fatal(err)
		}
		equalBits(t, c.Name, pixels(t, &c.Config, img), x.Data)
		if c.Config.Len() != len(x.Data) {
			t.Errorf("%s: Len is %d, want %d", c.Name, c.Config.Len(), len(x.Data))
		}
	}
	if len(cases) != 8 {
		t.Errorf("%d cases, want 8", len(cases))
	}
}

// TestAppend: the pixels of several images stand behind each other, and those
// of a slice are overwritten in place.
func TestAppend(t *testing.T) {
	p, img := bytes(5, 4, image.Bicubic), source(t)
	one := pixels(t, p, img)
	two, err := p.Append(slices.Clone(one), img)
	if err != nil {
		t.Fatal(err)
	}
	equalBits(t, "two", two, append(slices.Clone(one), one...))
	clear(two)
	if _, err := p.Append(two[:0], img); err != nil {
		t.Fatal(err)
	}
	equalBits(t, "in place", two[:len(one)], one)
}

// TestColours: every kind of image gives the colours that it has, whatever its
// bounds.
func TestColours(t *testing.T) {
	at := stdimage.Rect(3, -2, 5, -1) // two pixels
	size := func(img stdimage.Image) *image.Processor { return bytes(2, 1, image.Bilinear) }
	set := func(img draw.Image, a, b color.Color) stdimage.Image {
		img.Set(3, -2, a)
		img.Set(4, -2, b)
		return img
	}
	red, clear := color.NRGBA{200, 100, 50, 255}, color.NRGBA{10, 20, 30, 85}
	gray, deep := color.Gray{77}, color.RGBA64{0x1234, 0x5678, 0x9abc, 0xffff}
	ycc := stdimage.NewYCbCr(at, stdimage.YCbCrSubsampleRatio444)
	copy(ycc.Y, []uint8{60, 250})
	for i := range 2 {
		ycc.Cb[i], ycc.Cr[i] = 128, 128
	}
	for _, c := range []struct {
		name string
		img  stdimage.Image
		want []float32
	}{
		{"NRGBA", set(stdimage.NewNRGBA(at), red, clear), []float32{200, 10, 100, 20, 50, 30}},
		{"RGBA", set(stdimage.NewRGBA(at), red, red), []float32{200, 200, 100, 100, 50, 50}},
		{"Gray", set(stdimage.NewGray(at), gray, color.White), []float32{77, 255, 77, 255, 77, 255}},
		{"RGBA64", set(stdimage.NewRGBA64(at), deep, red), []float32{0x12, 200, 0x56, 100, 0x9a, 50}},
		{"Paletted", set(stdimage.NewPaletted(at, color.Palette{red, clear}), clear, red), []float32{10, 200, 20, 100, 30, 50}},
		{"YCbCr", ycc, []float32{60, 250, 60, 250, 60, 250}},
	} {
		equalBits(t, c.name, pixels(t, size(c.img), c.img), c.want)
	}
}

// TestAppendErrors: an image without pixels, or one that no size fits, is an
// error of one line.
func TestAppendErrors(t *testing.T) {
	p := &image.Processor{Resize: true, ShortestEdge: 224, Filter: image.Bicubic, Height: 224, Width: 224, Scale: 1, Std: [3]float64{1, 1, 1}}
	long := stdimage.NewGray(stdimage.Rect(0, 0, 200_000, 1))
	for _, c := range []struct {
		p    *image.Processor
		img  stdimage.Image
		want string
	}{
		{p, stdimage.NewGray(stdimage.Rectangle{}), "no pixels"},
		{p, long, "200000×1 pixels become 44800000×224"},
		{&image.Processor{Resize: true, ResizedHeight: 2, ResizedWidth: 2, Height: 2, Width: 2}, long, "filter 0"},
		{&image.Processor{Resize: true, Filter: image.Bilinear}, long, "become 0×0"},
	} {
		if _, err := c.p.Append(nil, c.img); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %v, want one with %q", err, c.want)
		}
	}
	// What is cropped away is not computed: this would be 2 GB.
	if n := len(pixels(t, p, stdimage.NewGray(stdimage.Rect(0, 0, 20_000, 1)))); n != p.Len() {
		t.Errorf("%d values of a long image, want %d", n, p.Len())
	}
}

func TestConfig(t *testing.T) {
	half := [3]float64{0.5, 0.5, 0.5}
	vit := image.Processor{
		Resize: true, ResizedHeight: 224, ResizedWidth: 224, Filter: image.Bilinear,
		Height: 224, Width: 224, Scale: 1.0 / 255, Mean: half, Std: half,
	}
	clip := image.Processor{
		Resize: true, ShortestEdge: 224, Filter: image.Bicubic, Height: 224, Width: 224, Scale: 1.0 / 255,
		Mean: [3]float64{0.48145466, 0.4578275, 0.40821073}, Std: [3]float64{0.26862954, 0.26130258, 0.27577711},
	}
	change := func(p image.Processor, f func(*image.Processor)) image.Processor {
		f(&p)
		return p
	}
	for _, c := range []struct {
		json string
		want image.Processor
	}{
		{`{"image_processor_type": "ViTImageProcessor"}`, vit},
		{`{"feature_extractor_type": "ViTFeatureExtractor", "size": 224, "do_rescale": null}`, vit},
		{`{"image_processor_type": "CLIPImageProcessorFast", "feature_extractor_type": "CLIPFeatureExtractor", "do_convert_rgb": true}`, clip},
		{`{"feature_extractor_type": "CLIPFeatureExtractor", "size": 336, "crop_size": 300}`,
			change(clip, func(p *image.Processor) { p.ShortestEdge, p.Height, p.Width = 336, 300, 300 })},
		{`{"image_processor_type": "ViTImageProcessor", "size": {"height": 8, "width": 9}, "resample": 3, "rescale_factor": 0.5, "image_std": [1, 2, 3]}`,
			change(vit, func(p *image.Processor) {
				p.ResizedHeight, p.ResizedWidth, p.Height, p.Width, p.Filter = 8, 9, 8, 9, image.Bicubic
				p.Scale, p.Std = 0.5, [3]float64{1, 2, 3}
			})},
		{`{"image_processor_type": "CLIPImageProcessor", "do_center_crop": false, "size": {"height": 8, "width": 9}, "do_rescale": false, "do_normalize": false}`,
			image.Processor{Resize: true, ResizedHeight: 8, ResizedWidth: 9, Filter: image.Bicubic, Height: 8, Width: 9, Scale: 1, Std: [3]float64{1, 1, 1}}},
	} {
		var p image.Processor
		if err := json.Unmarshal([]byte(c.json), &p); err != nil || p != c.want {
			t.Errorf("%s: %+v, %v; want %+v", c.json, p, err, c.want)
		}
	}
}

// hostile are configurations that are refused, and what the error must name.
var hostile = []struct{ json, want string }{
	{`{}`, "feature_extractor_type"},
	{`{"image_processor_type": "DeiTImageProcessor"}`, `image_processor_type = "DeiTImageProcessor": must be`},
	{`{"image_processor_type": 3}`, "image_processor_type"},
	{`{"image_processor_type": "ViTImageProcessor", "size": 0}`, "size = 0"},
	{`{"image_processor_type": "ViTImageProcessor", "size": [224, 224]}`, "size = [224,224]"},
	{`{"image_processor_type": "ViTImageProcessor", "size": 10000}`, "10000×10000"},
	{`{"image_processor_type": "ViTImageProcessor", "size": {"height": 3}}`, "size.width is missing"},
	{`{"image_processor_type": "ViTImageProcessor", "size": {"shortest_edge": 3}}`, "do_center_crop"},
	{`{"image_processor_type": "ViTImageProcessor", "do_center_crop": true}`, "crop_size is missing"},
	{`{"image_processor_type": "ViTImageProcessor", "do_resize": false}`, "do_center_crop"},
	{`{"image_processor_type": "ViTImageProcessor", "resample": 1}`, "resample = 1: must be 2 or 3"},
	{`{"image_processor_type": "ViTImageProcessor", "resample": "bicubic"}`, "resample"},
	{`{"image_processor_type": "ViTImageProcessor", "image_mean": 0.5}`, "image_mean"},
	{`{"image_processor_type": "ViTImageProcessor", "image_std": [1, 1]}`, "image_std = [1 1]"},
	{`{"image_processor_type": "ViTImageProcessor", "image_std": [1, 0, 1]}`, "image_std = [1 0 1]"},
	{`{"image_processor_type": "ViTImageProcessor", "rescale_factor": -1}`, "rescale_factor"},
	{`{"image_processor_type": "ViTImageProcessor", "do_pad": true}`, "do_pad = true: not known here"},
	{`{"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 224, "longest_edge": 300}}`, "size.longest_edge"},
	{`{"image_processor_type": "CLIPImageProcessor", "crop_size": {"shortest_edge": 224}}`, "crop_size"},
	{`[]`, "config"},
	{`null`, "null"},
}

func TestConfigErrors(t *testing.T) {
	for _, c := range hostile {
		var p image.Processor
		err := p.UnmarshalJSON([]byte(c.json))
		if err == nil || !strings.HasPrefix(err.Error(), "image: config: ") || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want one with %s", c.json, err, c.want)
		}
	}
}

// FuzzConfig: any bytes are an error of one line, or what makes pixels of an
// image.
func FuzzConfig(f *testing.F) {
	for _, c := range hostile {
		f.Add([]byte(c.json))
	}
	f.Add([]byte(`{"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 9}, "crop_size": {"height": 7, "width": 12}}`))
	img := stdimage.NewGray(stdimage.Rect(0, 0, 7, 3))
	f.Fuzz(func(t *testing.T, data []byte) {
		var p image.Processor
		if err := p.UnmarshalJSON(data); err != nil {
			if !strings.HasPrefix(err.Error(), "image: config: ") || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q", err)
			}
			return
		}
		if p.Len() > 1<<16 {
			return
		}
		if v, err := p.Append(nil, img); err == nil && len(v) != p.Len() {
			t.Errorf("%d values, Len is %d", len(v), p.Len())
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	p := &image.Processor{Resize: true, ShortestEdge: 224, Filter: image.Bicubic, Height: 224, Width: 224, Scale: 1, Std: [3]float64{1, 1, 1}}
	img := stdimage.NewYCbCr(stdimage.Rect(0, 0, 1280, 960), stdimage.YCbCrSubsampleRatio420)
	dst := make([]float32, 0, p.Len())
	for b.Loop() {
		if _, err := p.Append(dst, img); err != nil {
			b.Fatal(err)
		}
	}
}
