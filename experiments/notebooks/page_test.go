package notebooks

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
)

func TestWritePage(t *testing.T) {
	nb, err := New(source, sample, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if err := sample(context.Background(), nb); err != nil {
		t.Fatal(err)
	}
	var page bytes.Buffer
	if err := nb.WritePage(&page, "a < b"); err != nil {
		t.Fatal(err)
	}
	rest := page.String()
	for _, want := range []string{"<title>a &lt; b</title>", "<h1>Sample</h1>", "nb.Printf(&#34;first\\n&#34;)", "<pre class=\"printed\">first\nagain", "<p>Two.</p>", "<pre class=\"printed\">from a goroutine",
		"<th style=\"text-align:right\">n</th><th style=\"text-align:left\">axis</th>", "<td style=\"text-align:left\">a&lt;b</td>", "<svg xmlns=", "<pre class=\"printed\">after 2"} {
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Fatalf("%q does not follow in\n%s", want, rest)
		}
		rest = after
	}
}
