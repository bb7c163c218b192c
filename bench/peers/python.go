package peers

import (
	"cmp"
	"os"
	"os/exec"
)

// PythonVariable names the interpreter that has the peers written in Python,
// for example one of a virtual environment.
const PythonVariable = "LOWRANK_PYTHON"

// interpreter finds the interpreter: the one given, that of the environment,
// or python3.
func interpreter(given string) (string, error) {
	return exec.LookPath(cmp.Or(given, os.Getenv(PythonVariable), "python3"))
}
