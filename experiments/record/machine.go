package record

import (
	"bufio"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/klauspost/cpuid/v2"
)

// Machine says where a run took place, so that its times can be compared.
type Machine struct {
	CPU         string `json:"cpu"` // the brand, as the processor tells it
	Cores       int    `json:"cores"`
	OS          string `json:"os"`
	Arch        string `json:"arch"`
	SIMD        string `json:"simd"`         // the level of the kernels; the caller fills it in
	MemoryBytes int64  `json:"memory_bytes"` // 0: not known
}

// ThisMachine describes the machine that runs this process. SIMD is left empty:
// the kernels know which level they chose.
func ThisMachine() Machine {
	return Machine{
		CPU:         strings.TrimSpace(cpuid.CPU.BrandName),
		Cores:       runtime.NumCPU(),
		OS:          runtime.GOOS,
		Arch:        runtime.GOARCH,
		MemoryBytes: procBytes("/proc/meminfo", "MemTotal:"),
	}
}

// PeakRSS is the most memory, in bytes, that this process has held resident so
// far; 0 where there is no /proc to tell.
func PeakRSS() int64 { return procBytes("/proc/self/status", "VmHWM:") }

// procBytes reads the figure after key in a file of /proc, which counts in kB
// of 1024 bytes; 0 if there is no such file or line.
func procBytes(file, key string) int64 {
	f, err := os.Open(file)
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) == 3 && words[0] == key && words[2] == "kB" {
			kb, _ := strconv.ParseInt(words[1], 10, 64)
			return kb << 10
		}
	}
	return 0
}

// Versions names what computed a run: "go", "lowrank" (the version, or for a
// build from a checkout the revision, with "+dirty" if it was changed) and
// "spago". What the build does not tell is left out.
func Versions() map[string]string {
	v := map[string]string{"go": runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v["lowrank"] = info.Main.Version
	if v["lowrank"] == "" || v["lowrank"] == "(devel)" {
		v["lowrank"] = revision(info.Settings)
	}
	for _, dep := range info.Deps {
		if dep.Path == "github.com/nlpodyssey/spago" {
			v["spago"] = dep.Version
		}
	}
	if v["lowrank"] == "" {
		delete(v, "lowrank")
	}
	return v
}

func revision(settings []debug.BuildSetting) string {
	var rev, dirty string
	for _, s := range settings {
		switch s.Key {
		case "vcs.revision":
			rev = s.Value
		case "vcs.modified":
			if s.Value == "true" {
				dirty = "+dirty"
			}
		}
	}
	if rev == "" {
		return ""
	}
	return rev + dirty
}
