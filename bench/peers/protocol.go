package peers

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// What a request wants.
const (
	wantName = iota
	wantSeconds
	wantResult
)

// largest bounds what a reply may claim to be long.
const largest = 1 << 30

// writeRequest asks for one thing about a job.
func writeRequest(w io.Writer, want int, j Job, calls, repeats int) error {
	fields := []int32{int32(want), int32(j.Kind), int32(j.Op), int32(j.M), int32(j.N), int32(j.K), int32(j.R),
		int32(j.Threads), int32(calls), int32(repeats)}
	return binary.Write(w, binary.LittleEndian, fields)
}

// readReply returns the payload of a reply, or a refusal.
func readReply(r *bufio.Reader) ([]byte, error) {
	var head [2]int32
	if err := binary.Read(r, binary.LittleEndian, &head); err != nil {
		return nil, fmt.Errorf("the reply has no head: %w", err)
	}
	if head[0] != 0 && head[0] != 1 || head[1] < 0 || head[1] > largest {
		return nil, fmt.Errorf("the reply's head is %d, %d: want status 0 or 1 and a length", head[0], head[1])
	}
	payload := make([]byte, head[1])
	if _, err := io.ReadFull(r, payload); err != nil {
		return nil, fmt.Errorf("the reply ends before its %d bytes: %w", head[1], err)
	}
	if head[0] == 1 {
		return nil, refusal(payload)
	}
	return payload, nil
}

// seconds reads a payload of want float64.
func seconds(payload []byte, want int) ([]float64, error) {
	if len(payload) != 8*want {
		return nil, fmt.Errorf("%d bytes for the seconds of %d repeats", len(payload), want)
	}
	took := make([]float64, want)
	for i := range took {
		took[i] = math.Float64frombits(binary.LittleEndian.Uint64(payload[8*i:]))
		if !(took[i] >= 0 && took[i] < 1e6) {
			return nil, fmt.Errorf("a repeat of %g seconds", took[i])
		}
	}
	return took, nil
}

// floats reads a payload of float32.
func floats(payload []byte) []float32 {
	x := make([]float32, len(payload)/4)
	for i := range x {
		x[i] = math.Float32frombits(binary.LittleEndian.Uint32(payload[4*i:]))
	}
	return x
}
