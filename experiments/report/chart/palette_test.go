package chart

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// palette reads the colours of one set out of the stylesheet.
func palette(t *testing.T, set string) (paper [3]float64, colours [][3]float64) {
	t.Helper()
	read := func(name string) [3]float64 {
		m := regexp.MustCompile(`--` + name + `:#([0-9a-f]{3,6})`).FindStringSubmatch(set)
		if m == nil {
			t.Fatalf("no colour %s", name)
		}
		hex := m[1]
		if len(hex) == 3 {
			hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
		}
		var rgb [3]float64
		for i := range rgb {
			v, _ := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
			rgb[i] = linear(float64(v) / 255)
		}
		return rgb
	}
	for i := range 8 {
		colours = append(colours, read("p"+strconv.Itoa(i)))
	}
	return read("paper"), colours
}

func linear(v float64) float64 {
	if v <= 0.04045 {
		return v / 12.92
	}
	return math.Pow((v+0.055)/1.055, 2.4)
}

func luminance(c [3]float64) float64 { return 0.2126*c[0] + 0.7152*c[1] + 0.0722*c[2] }

// TestContrast holds every colour to WCAG 2's 3 : 1 against the paper, the
// least for graphics; the sky blue and the orange of the light set may be at 2.5,
// since their marks have shapes of their own.
func TestContrast(t *testing.T) {
	light, dark, _ := strings.Cut(Stylesheet, "@media")
	for name, set := range map[string]string{"light": light, "dark": dark} {
		paper, colours := palette(t, set)
		for i, c := range colours {
			a, b := luminance(paper)+0.05, luminance(c)+0.05
			if ratio := max(a, b) / min(a, b); ratio < 2.5 || ratio < 3 && i != 4 && i != 5 {
				t.Errorf("%s: colour %d has contrast %.2f", name, i, ratio)
			}
		}
	}
}

// TestColourBlind simulates full protanopia, deuteranopia and tritanopia
// (Machado, Oliveira and Fernandes 2009, severity 1) and asks that any two
// colours stay at least 0.06 apart in OKLab; 0.02 is about the least difference
// that one notices side by side.
func TestColourBlind(t *testing.T) {
	simulations := map[string][9]float64{
		"normal":       {1, 0, 0, 0, 1, 0, 0, 0, 1},
		"protanopia":   {0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998},
		"deuteranopia": {0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.011820, 0.042940, 0.968881},
		"tritanopia":   {1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367, 0.303900},
	}
	light, dark, _ := strings.Cut(Stylesheet, "@media")
	for name, set := range map[string]string{"light": light, "dark": dark} {
		_, colours := palette(t, set)
		for eye, m := range simulations {
			seen := make([][3]float64, len(colours))
			for i, c := range colours {
				for row := range 3 {
					seen[i][row] = max(0, m[3*row]*c[0]+m[3*row+1]*c[1]+m[3*row+2]*c[2])
				}
				seen[i] = oklab(seen[i])
				for j := range i {
					d := math.Sqrt(sq(seen[i][0]-seen[j][0]) + sq(seen[i][1]-seen[j][1]) + sq(seen[i][2]-seen[j][2]))
					if d < 0.06 {
						t.Errorf("%s, %s: colours %d and %d are %.3f apart", name, eye, j, i, d)
					}
				}
			}
		}
	}
}

func sq(v float64) float64 { return v * v }

// oklab turns linear sRGB into OKLab (Ottosson 2020).
func oklab(c [3]float64) [3]float64 {
	l := math.Cbrt(0.4122214708*c[0] + 0.5363325363*c[1] + 0.0514459929*c[2])
	m := math.Cbrt(0.2119034982*c[0] + 0.6806995451*c[1] + 0.1073969566*c[2])
	s := math.Cbrt(0.0883024619*c[0] + 0.2817188376*c[1] + 0.6299787005*c[2])
	return [3]float64{0.2104542553*l + 0.7936177850*m - 0.0040720468*s,
		1.9779984951*l - 2.4285922050*m + 0.4505937099*s,
		0.0259040371*l + 0.7827717662*m - 0.8086757660*s}
}
