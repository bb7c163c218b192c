package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestVerify(t *testing.T) {
	testdata := "../../verify/testdata"
	code, out, _ := command(t, "verify", testdata+"/layers", "--only", "/(lora|pissa_dora)$")
	if code != exitOK || strings.Count(out, "pass  ") != 2 || !strings.Contains(out, "39 passed, 0 failed, 0 unsupported") {
		t.Errorf("ends with %d:\n%s", code, out)
	}
	if code, out, _ = command(t, "verify", "-v", testdata, "--only", "^words/"); code != exitOK || strings.Count(out, "pass  ") != 6 {
		t.Errorf("-v ends with %d:\n%s", code, out)
	}

	code, out, errs := command(t, "verify", "--json", testdata+"/layers")
	var report struct {
		Rows []struct {
			Case, Name, Status, Note string
		}
		Passed, Failed, Unsupported int
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatal(err)
	}
	if code != exitFailed || report.Failed != 0 || report.Unsupported != 1 || len(report.Rows) != report.Passed+1 {
		t.Errorf("ends with %d, %d rows, %d passed, %d failed, %d unsupported", code, len(report.Rows), report.Passed, report.Failed, report.Unsupported)
	}
	if !strings.Contains(errs, "0 failed, 1 unsupported") {
		t.Errorf("says %q", errs)
	}

	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"verify"}, "needs a folder of references"},
		{[]string{"verify", t.TempDir()}, "holds no reference"},
		{[]string{"verify", testdata, "--only", "("}, `--only "("`},
		{[]string{"verify", testdata, "--only", "^none$"}, "no case matches ^none$"},
		{[]string{"verify", testdata, "--verbos"}, "--verbose"},
	} {
		code, out, errs := command(t, c.args...)
		if code != exitUsage || out != "" || !strings.Contains(errs, c.says) {
			t.Errorf("%q ends with %d, prints %q and says %q, want …%s…", c.args, code, out, errs, c.says)
		}
	}
}
