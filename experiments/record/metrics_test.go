package record

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
)

// observed are rows of a run of three steps, those values included that JSON
// has no number for.
var observed = []Metric{
	{0, "", "eval_adapt_loss", 2.5},
	{1, "", "train_loss", 0.1},
	{1, "model.layers.0.self_attn.q_proj", "norm_a", math.SmallestNonzeroFloat64},
	{1, "model.layers.0.self_attn.q_proj", "sigma_1", -math.MaxFloat64},
	{2, "", "train_loss", math.Inf(1)},
	{2, "a \"layer\"\nof two lines, é", "norm_b", math.Inf(-1)},
	{3, "", "train_loss", math.NaN()},
	{3, "", "lr", math.Copysign(0, -1)},
}

// bits makes rows comparable: NaN differs from itself, and -0 equals 0.
func bits(rows []Metric) []string {
	var s []string
	for _, m := range rows {
		v := math.Float64bits(m.Value)
		if math.IsNaN(m.Value) {
			v = math.Float64bits(math.NaN())
		}
		s = append(s, fmt.Sprintf("%d %q %q %016x", m.Step, m.Layer, m.Name, v))
	}
	return s
}

func wantMetrics(t *testing.T, dir string, want []Metric) {
	t.Helper()
	got, err := ReadMetrics(dir)
	if err != nil {
		t.Fatal(err)
	}
	if g, w := bits(got), bits(want); !reflect.DeepEqual(g, w) {
		t.Errorf("have\n%s, want\n%s", strings.Join(g, "\n"), strings.Join(w, "\n"))
	}
}

func writeLog(t *testing.T, dir string, rows ...Metric) {
	t.Helper()
	l, err := OpenLog(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Add(rows...); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestLogRoundTrip(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	writeLog(t, dir, observed[:3]...)
	writeLog(t, dir, observed[3:]...)
	wantMetrics(t, dir, observed)
	text, err := os.ReadFile(filepath.Join(dir, "metrics.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if first, _, _ := strings.Cut(string(text), "\n"); first != `{"step":0,"name":"eval_adapt_loss","value":2.5}` {
		t.Errorf("the first line is %s", first)
	}
	if n := strings.Count(string(text), "\n"); n != len(observed) {
		t.Errorf("%d rows are %d lines", len(observed), n)
	}
}

// A log that was cut at any byte gives the rows before the cut, and goes on.
func TestLogCutOff(t *testing.T) {
	whole := t.TempDir()
	writeLog(t, whole, observed...)
	text, err := os.ReadFile(filepath.Join(whole, "metrics.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for cut := range len(text) + 1 {
		if err := os.WriteFile(filepath.Join(dir, "metrics.jsonl"), text[:cut], 0o666); err != nil {
			t.Fatal(err)
		}
		rows := observed[:strings.Count(string(text[:cut]), "\n")]
		wantMetrics(t, dir, rows)
		writeLog(t, dir, observed[0])
		wantMetrics(t, dir, append(rows[:len(rows):len(rows)], observed[0]))
	}
}

func TestLogDamagedInTheMiddle(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "metrics.jsonl")
	for _, bad := range []string{"{\"step\":", "\x00\x00", `{"step":1,"name":"x","value":"big"}`, `{"step":1,"name":"x","value":null}`, ""} {
		if err := os.WriteFile(path, []byte("{\"step\":1,\"name\":\"x\",\"value\":1}\n"+bad+"\n"), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadMetrics(dir); err == nil || !strings.HasPrefix(err.Error(), path+":2: ") {
			t.Errorf("%q: have %v, want an error of line 2", bad, err)
		}
	}
}

func TestTruncateAfter(t *testing.T) {
	for step := -1; step <= 4; step++ {
		dir := t.TempDir()
		l, err := OpenLog(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Add(observed...); err != nil {
			t.Fatal(err)
		}
		if err := l.TruncateAfter(step); err != nil {
			t.Fatal(err)
		}
		if err := l.Add(Metric{Step: step + 1, Name: "train_loss", Value: 7}); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		var want []Metric
		for _, m := range observed {
			if m.Step <= step {
				want = append(want, m)
			}
		}
		wantMetrics(t, dir, append(want, Metric{Step: step + 1, Name: "train_loss", Value: 7}))
	}
}

func TestParquet(t *testing.T) {
	dir := t.TempDir()
	writeLog(t, dir, observed...)
	if err := WriteParquet(dir, "pissa_seed1"); err != nil {
		t.Fatal(err)
	}

	// Read by column, as another program would, not by this package's rows.
	f, err := os.Open(filepath.Join(dir, "metrics.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, _ := f.Stat()
	file, err := parquet.OpenFile(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	var columns []string
	for _, c := range file.Root().Columns() {
		columns = append(columns, c.Name()+" "+c.Type().String())
	}
	if got, want := strings.Join(columns, ", "), "run STRING, step INT(64,true), layer STRING, map STRING, metric STRING, value DOUBLE"; got != want {
		t.Errorf("have columns %s, want %s", got, want)
	}
	table := parquet.NewReader(file)
	for i, m := range observed {
		rows := make([]parquet.Row, 1)
		if n, err := table.ReadRows(rows); n != 1 {
			t.Fatalf("row %d: %v", i, err)
		}
		r := rows[0]
		got := Metric{int(r[1].Int64()), joined(r[2].String(), r[3].String()), r[4].String(), r[5].Double()}
		if r[0].String() != "pissa_seed1" || bits([]Metric{got})[0] != bits([]Metric{m})[0] {
			t.Errorf("row %d: have %v, want %v", i, r, m)
		}
	}

	// The table is read where there is one, and goes when the log goes on.
	if err := os.Rename(filepath.Join(dir, "metrics.jsonl"), filepath.Join(dir, "elsewhere")); err != nil {
		t.Fatal(err)
	}
	wantMetrics(t, dir, observed)
	if err := os.Rename(filepath.Join(dir, "elsewhere"), filepath.Join(dir, "metrics.jsonl")); err != nil {
		t.Fatal(err)
	}
	more := Metric{4, "", "train_loss", 1}
	writeLog(t, dir, more)
	wantMetrics(t, dir, append(observed[:len(observed):len(observed)], more))
}

// Damage to a table is an error or other values, never a panic.
func TestParquetDamaged(t *testing.T) {
	dir := t.TempDir()
	writeLog(t, dir, observed...)
	if err := WriteParquet(dir, "r"); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "metrics.parquet")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	refused := 0
	for range 500 {
		data := append([]byte(nil), whole...)
		if random.IntN(2) == 0 {
			data = data[:random.IntN(len(data))]
		} else {
			for range 1 + random.IntN(4) {
				data[random.IntN(len(data))] = byte(random.Uint32())
			}
		}
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadMetrics(dir); err != nil {
			refused++
			if strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), path) {
				t.Errorf("the error is not one line about the file: %q", err)
			}
		}
	}
	if refused < 250 { // the files cut short alone
		t.Errorf("%d of 500 damaged files were refused", refused)
	}
}

func TestEvents(t *testing.T) {
	dir := t.TempDir()
	writeLog(t, dir, observed...)
	started := time.Unix(1_700_000_000, 250_000_000)
	if err := WriteEvents(dir, started, started.Add(6*time.Second)); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "events.out.tfevents.1700000000.lowrank"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(observed) + 1 {
		var payload []byte
		if payload, data, err = nextRecord(data); err != nil {
			t.Fatalf("record %d: %v", i, err)
		}
		event := message(t, payload)
		seconds := math.Float64frombits(event[1].(uint64))
		if i == 0 {
			if string(event[3].([]byte)) != "brain.Event:2" || seconds != 1_700_000_000.25 {
				t.Errorf("the first event is %v at %v", event, seconds)
			}
			continue
		}
		m := observed[i-1]
		value := message(t, message(t, event[5].([]byte))[1].([]byte))
		tag, want := string(value[1].([]byte)), m.Name
		if m.Layer != "" {
			want = m.Name + "/" + m.Layer
		}
		scalar := math.Float32frombits(uint32(value[2].(uint64)))
		same := math.Float32bits(scalar) == math.Float32bits(float32(m.Value)) || scalar != scalar && math.IsNaN(m.Value)
		// 2 s a step, and float64 seconds since 1970 are good to 2.4e-7 s.
		if wall := 1_700_000_000.25 + 2*float64(m.Step); tag != want || !same || event[2].(uint64) != uint64(m.Step) || math.Abs(seconds-wall) > 1e-6 {
			t.Errorf("record %d: have %s = %v at step %v, %v s, want %v", i, tag, scalar, event[2], seconds, m)
		}
	}
	if len(data) != 0 {
		t.Errorf("%d bytes follow the last record", len(data))
	}
}

// nextRecord takes a TFRecord off b, with its checksums computed bit by bit
// from the polynomial, not by the writer's table.
func nextRecord(b []byte) (payload, rest []byte, err error) {
	masked := func(data []byte) uint32 {
		c := ^uint32(0)
		for _, x := range data {
			c ^= uint32(x)
			for range 8 {
				if c&1 == 1 {
					c = c>>1 ^ 0x82f63b78 // CRC-32C, reflected
				} else {
					c >>= 1
				}
			}
		}
		c = ^c
		return (c>>15 | c<<17) + 0xa282ead8
	}
	if len(b) < 12 {
		return nil, nil, fmt.Errorf("%d bytes are no record", len(b))
	}
	n := binary.LittleEndian.Uint64(b)
	if c := binary.LittleEndian.Uint32(b[8:]); c != masked(b[:8]) {
		return nil, nil, fmt.Errorf("checksum of the length is %08x, want %08x", c, masked(b[:8]))
	}
	if uint64(len(b)) < n+16 {
		return nil, nil, fmt.Errorf("%d bytes are too few for a record of %d", len(b), n)
	}
	payload = b[12 : 12+n]
	if c := binary.LittleEndian.Uint32(b[12+n:]); c != masked(payload) {
		return nil, nil, fmt.Errorf("checksum of the event is %08x, want %08x", c, masked(payload))
	}
	return payload, b[16+n:], nil
}

// message decodes one level of a Protocol Buffers message whose fields come
// once each: field number to uint64 or []byte.
func message(t *testing.T, b []byte) map[int]any {
	t.Helper()
	fields := map[int]any{}
	varint := func() uint64 {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			t.Fatalf("no varint at % x", b)
		}
		b = b[n:]
		return v
	}
	for len(b) > 0 {
		key := varint()
		field := int(key >> 3)
		if _, twice := fields[field]; twice {
			t.Fatalf("field %d comes twice", field)
		}
		switch key & 7 {
		case 0:
			fields[field] = varint()
		case 1:
			fields[field], b = binary.LittleEndian.Uint64(b), b[8:]
		case 2:
			n := varint()
			fields[field], b = b[:n:n], b[n:]
		case 5:
			fields[field], b = uint64(binary.LittleEndian.Uint32(b)), b[4:]
		default:
			t.Fatalf("wire type %d", key&7)
		}
	}
	return fields
}

// The check value of CRC-32C, and TensorFlow's mask of it.
func TestMaskedCRC(t *testing.T) {
	const check = 0xe3069283 // RFC 3720, of "123456789"
	if c := crc32.Checksum([]byte("123456789"), castagnoli); c != check {
		t.Errorf("have %08x, want %08x", c, check)
	}
	const rotated = check>>15 | (check<<17)&0xffffffff
	if m := maskedCRC([]byte("123456789")); m != uint32((rotated+0xa282ead8)&0xffffffff) {
		t.Errorf("have %08x", m)
	}
}
