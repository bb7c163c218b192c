package record

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"path/filepath"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// WriteEvents writes the metrics of the run in dir as TensorBoard scalars, and the
// spectrum of each adapter as histograms too (tag "spectrum/layer"), whole or not
// at all, into the file events.out.tfevents.<start>.lowrank, where start
// is in seconds since 1970. The tag of a model's metric is its name, that of an
// adapter's "name/layer", so that TensorBoard groups by metric. Rows carry no
// time; events get one between started and ended, in proportion to their step.
func WriteEvents(dir string, started, ended time.Time) error {
	metrics, err := ReadMetrics(dir)
	if err != nil {
		return err
	}
	last := 1
	for _, m := range metrics {
		last = max(last, m.Step)
	}
	name := fmt.Sprintf("events.out.tfevents.%d.lowrank", started.Unix())
	return WriteFile(filepath.Join(dir, name), func(w io.Writer) error {
		begin := float64(started.UnixMicro()) / 1e6
		if err := writeEvent(w, appendVersion(nil, begin)); err != nil {
			return err
		}
		perStep := ended.Sub(started).Seconds() / float64(last)
		var event []byte
		var open spectra
		for _, m := range append(metrics, Metric{Step: -1}) { // which ends the last spectrum
			if s, ok := open.add(m); ok {
				event = appendHistogram(event[:0], begin+perStep*float64(s.metric.Step), s)
				if err := writeEvent(w, event); err != nil {
					return err
				}
			}
			if m.Step < 0 {
				break
			}
			event = appendScalar(event[:0], begin+perStep*float64(m.Step), m)
			if err := writeEvent(w, event); err != nil {
				return err
			}
		}
		return nil
	})
}

// appendVersion appends the Event that starts a file: its wall_time is field 1,
// its file_version field 3 (event.proto of TensorFlow).
func appendVersion(b []byte, seconds float64) []byte {
	b = protowire.AppendTag(b, 1, protowire.Fixed64Type)
	b = protowire.AppendFixed64(b, math.Float64bits(seconds))
	b = protowire.AppendTag(b, 3, protowire.BytesType)
	return protowire.AppendString(b, "brain.Event:2")
}

// appendScalar appends the Event of m: wall_time 1, step 2, summary 5, which
// holds a value 1 of tag 1 and simple_value 2 (summary.proto).
func appendScalar(b []byte, seconds float64, m Metric) []byte {
	tag := m.Name
	if m.Layer != "" {
		tag += "/" + m.Layer
	}
	var value []byte
	value = protowire.AppendTag(value, 1, protowire.BytesType)
	value = protowire.AppendString(value, tag)
	value = protowire.AppendTag(value, 2, protowire.Fixed32Type)
	value = protowire.AppendFixed32(value, math.Float32bits(float32(m.Value)))
	return appendSummary(b, seconds, m.Step, value)
}

// appendSummary appends the Event of one value.
func appendSummary(b []byte, seconds float64, step int, value []byte) []byte {
	b = protowire.AppendTag(b, 1, protowire.Fixed64Type)
	b = protowire.AppendFixed64(b, math.Float64bits(seconds))
	b = protowire.AppendTag(b, 2, protowire.VarintType)
	b = protowire.AppendVarint(b, uint64(step))
	b = protowire.AppendTag(b, 5, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(protowire.SizeTag(1)+protowire.SizeBytes(len(value))))
	b = protowire.AppendTag(b, 1, protowire.BytesType)
	return protowire.AppendBytes(b, value)
}

// writeEvent frames an event as a TFRecord: its length (8 bytes), the checksum
// of those bytes, the event, the checksum of the event.
func writeEvent(w io.Writer, event []byte) error {
	b := binary.LittleEndian.AppendUint64(make([]byte, 0, len(event)+16), uint64(len(event)))
	b = binary.LittleEndian.AppendUint32(b, maskedCRC(b))
	b = append(b, event...)
	b = binary.LittleEndian.AppendUint32(b, maskedCRC(event))
	_, err := w.Write(b)
	return err
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// maskedCRC is the CRC-32C of b, rotated and shifted as TFRecord wants it, so
// that data which holds checksums can be checksummed again.
func maskedCRC(b []byte) uint32 {
	c := crc32.Checksum(b, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}
