package pretrained

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"
)

// IndexFile says which shard of a checkpoint holds which tensor.
const IndexFile = "model.safetensors.index.json"

// maxIndex bounds the bytes of an index.
const maxIndex = 64 << 20

// readIndex returns the name of the shard that holds each tensor.
func readIndex(path string) (map[string]string, error) {
	b, err := readFile(path, maxIndex)
	if err != nil {
		return nil, err
	}
	shards, err := parseIndex(b)
	if err != nil {
		return nil, fmt.Errorf("pretrained: %s: %w", path, err)
	}
	return shards, nil
}

// parseIndex reads {"metadata": {"total_size": …}, "weight_map": {tensor:
// shard}}. Other keys are not its concern, and neither is what the sizes come
// to, which converters often get wrong.
func parseIndex(b []byte) (shards map[string]string, err error) {
	if !utf8.Valid(b) {
		return nil, errors.New("the index is not UTF-8")
	}
	d := decoder{b: b}
	seen := map[string]bool{}
	err = d.object(func(key string) (err error) {
		if seen[key] {
			return fmt.Errorf("%.40q stands twice", key)
		}
		seen[key] = true
		switch key {
		case "metadata":
			err = d.object(func(key string) error {
				if key == "total_size" {
					return d.size()
				}
				return d.skip()
			})
		case "weight_map":
			shards, err = d.weightMap()
		default:
			return d.skip()
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", key, err)
		}
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case len(shards) == 0:
		return nil, errors.New("weight_map is missing or names no tensor")
	}
	return shards, d.end()
}

// weightMap reads {tensor: shard}.
func (d *decoder) weightMap() (map[string]string, error) {
	shards := map[string]string{}
	names := map[string]string{} // one string for each shard
	return shards, d.object(func(tensor string) error {
		if len(tensor) > maxName {
			return fmt.Errorf("tensor %.40q…: a name of %d bytes: must be at most %d", tensor, len(tensor), maxName)
		}
		if _, ok := shards[tensor]; ok {
			return fmt.Errorf("tensor %q stands twice", tensor)
		}
		shard, err := d.string()
		if err != nil {
			return fmt.Errorf("tensor %q: %w", tensor, err)
		}
		if _, ok := names[shard]; !ok {
			if err := checkShardName(shard); err != nil {
				return fmt.Errorf("tensor %q: %w", tensor, err)
			}
			names[shard] = shard
		}
		shards[tensor] = names[shard]
		return nil
	})
}

// checkShardName refuses what is not a safetensors file of the index's folder.
func checkShardName(name string) error {
	const most = 255 // bytes, of file systems
	if len(name) > most || strings.ContainsAny(name, "/\\\x00") || strings.Contains(name, "..") || !filepath.IsLocal(name) || !strings.HasSuffix(name, ".safetensors") {
		return fmt.Errorf("shard %.80q: must be the name of a .safetensors file in the same folder", name)
	}
	return nil
}

// size reads a number of bytes, which some writers give as 1e10 or 1.0.
func (d *decoder) size() error {
	w := d.word()
	if x, err := strconv.ParseFloat(string(w), 64); err != nil || x < 0 || !json.Valid(w) {
		return fmt.Errorf("total_size: %w", d.unfit("a number from 0 up"))
	}
	d.at += len(w)
	return nil
}
