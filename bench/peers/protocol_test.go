package peers

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/kernels"
)

// TestRequest holds the bytes of a request: they are struct job of serve.h.
func TestRequest(t *testing.T) {
	var b bytes.Buffer
	j := Job{Kind: MatMulPacked, Op: kernels.NT, M: 3, N: 4, K: 5, R: 6, Threads: 7}
	if err := writeRequest(&b, wantSeconds, j, 8, 9); err != nil {
		t.Fatal(err)
	}
	want := []byte{1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0, 6, 0, 0, 0, 7, 0, 0, 0, 8, 0, 0, 0, 9, 0, 0, 0}
	if !bytes.Equal(b.Bytes(), want) {
		t.Errorf("request % x, want % x", b.Bytes(), want)
	}
}

func answer(status, length int32, payload ...byte) *bufio.Reader {
	var b bytes.Buffer
	binary.Write(&b, binary.LittleEndian, []int32{status, length})
	b.Write(payload)
	return bufio.NewReader(&b)
}

func TestReply(t *testing.T) {
	if payload, err := readReply(answer(0, 2, 'o', 'k')); err != nil || string(payload) != "ok" {
		t.Errorf("a reply of 2 bytes: %q, %v", payload, err)
	}
	var refused refusal
	if _, err := readReply(answer(1, 2, 'n', 'o')); !errors.As(err, &refused) || err.Error() != "no" {
		t.Errorf("a refusal: %v", err)
	}
	for _, test := range []struct {
		in   *bufio.Reader
		want string
	}{
		{bufio.NewReader(strings.NewReader("abc")), "has no head"},
		{answer(0, -1), "head is 0, -1"},
		{answer(2, 0), "head is 2, 0"},
		{answer(0, math.MaxInt32), "want status 0 or 1 and a length"},
		{answer(0, 9, 'x'), "ends before its 9 bytes"},
	} {
		if _, err := readReply(test.in); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("error %v, want %q", err, test.want)
		}
	}
}

func TestSeconds(t *testing.T) {
	payload := binary.LittleEndian.AppendUint64(nil, math.Float64bits(0.25))
	if took, err := seconds(payload, 1); err != nil || took[0] != 0.25 {
		t.Errorf("%v, %v", took, err)
	}
	if _, err := seconds(payload, 2); err == nil {
		t.Error("8 bytes for 2 repeats are taken")
	}
	if _, err := seconds(binary.LittleEndian.AppendUint64(nil, math.Float64bits(math.NaN())), 1); err == nil {
		t.Error("NaN seconds are taken")
	}
}
