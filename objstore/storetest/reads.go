package storetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"testing"

	"frostline/objstore"
)

func testList(t *testing.T, s objstore.Store) {
	for _, key := range []string{"b", "a/c/d", "ab", "a/b", "a-b", "a.c", "a/c-d", "B", "a/ü", "c/x/y/z"} {
		put(t, s, key, []byte(key))
	}
	for prefix, want := range map[string][]string{
		"":       {"B", "a-b", "a.c", "a/b", "a/c-d", "a/c/d", "a/ü", "ab", "b", "c/x/y/z"},
		"a":      {"a-b", "a.c", "a/b", "a/c-d", "a/c/d", "a/ü", "ab"},
		"a/":     {"a/b", "a/c-d", "a/c/d", "a/ü"},
		"a/c":    {"a/c-d", "a/c/d"},
		"a/c/":   {"a/c/d"},
		"a/b":    {"a/b"},
		"a/b/":   {},
		"c/x/y/": {"c/x/y/z"},
		"c/x":    {"c/x/y/z"},
		"zz":     {},
		"zz/y/":  {},
		".":      {},
	} {
		if got := list(t, s, prefix); !slices.Equal(got, want) {
			t.Errorf("List(%q): %q, want %q", prefix, got, want)
		}
	}
	var sizes int64
	for o, err := range s.List(t.Context(), "a/") {
		if err != nil || o.Modified.IsZero() || o.Class != "" {
			t.Errorf("List: %+v, %v", o, err)
		}
		sizes += o.Size
	}
	if sizes != 3+5+5+4 {
		t.Errorf("sizes in a listing sum to %d, want 17", sizes)
	}
	n := 0
	for range s.List(t.Context(), "") {
		if n++; n == 2 {
			break
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range s.List(ctx, "") {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("List with a cancelled context: %v, want %v", err, context.Canceled)
		}
	}
}

func testReadRanges(t *testing.T, s objstore.Store) {
	const size = 2 << 20
	content := data(2, size)
	put(t, s, "r/o", content)
	put(t, s, "r/empty", nil)
	for _, test := range []struct {
		name   string
		ranges []objstore.Range
	}{
		{"none", nil},
		{"one", []objstore.Range{{Off: 10, Len: 20}}},
		{"whole", []objstore.Range{{Off: 0, Len: size}}},
		{"last byte", []objstore.Range{{Off: size - 1, Len: 1}}},
		{"empty", []objstore.Range{{Off: 5, Len: 0}}},
		{"empty among others", []objstore.Range{{Off: 900, Len: 9}, {Off: 5, Len: 0}, {Off: 7, Len: 7}}},
		{"backwards", []objstore.Range{{Off: 1 << 20, Len: 7}, {Off: 500, Len: 500}, {Off: 0, Len: 4}}},
		{"neighbours", []objstore.Range{{Off: 0, Len: 100}, {Off: 100, Len: 100}, {Off: 250, Len: 100}}},
		{"far apart", []objstore.Range{{Off: 0, Len: 100}, {Off: 1 << 20, Len: 100}, {Off: size - 100, Len: 100}}},
		{"twice the same", []objstore.Range{{Off: 77, Len: 33}, {Off: 77, Len: 33}}},
		{"overlapping", []objstore.Range{{Off: 0, Len: 1000}, {Off: 500, Len: 1000}, {Off: 600, Len: 10}}},
		{"one within another", []objstore.Range{{Off: 600, Len: 10}, {Off: 0, Len: size}, {Off: 1 << 20, Len: 5}}},
	} {
		got, err := s.ReadRanges(t.Context(), "r/o", test.ranges)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if len(got) != len(test.ranges) {
			t.Errorf("%s: %d results for %d ranges", test.name, len(got), len(test.ranges))
			continue
		}
		for i, r := range test.ranges {
			if !bytes.Equal(got[i], content[r.Off:r.Off+r.Len]) {
				t.Errorf("%s: range %d (%d bytes at %d) has %d bytes, and others", test.name, i, r.Len, r.Off, len(got[i]))
			}
		}
	}
	for _, test := range []struct {
		name, key string
		r         objstore.Range
	}{
		{"beyond the end", "r/o", objstore.Range{Off: size, Len: 1}},
		{"far beyond the end", "r/o", objstore.Range{Off: 1 << 50, Len: 1 << 50}},
		{"over the end", "r/o", objstore.Range{Off: size - 10, Len: 11}},
		{"huge", "r/o", objstore.Range{Off: 0, Len: 1 << 55}},
		{"overflow", "r/o", objstore.Range{Off: math.MaxInt64 - 5, Len: 10}},
		{"negative offset", "r/o", objstore.Range{Off: -1, Len: 10}},
		{"negative length", "r/o", objstore.Range{Off: 10, Len: -1}},
		{"of nothing", "r/empty", objstore.Range{Off: 0, Len: 1}},
	} {
		if _, err := s.ReadRanges(t.Context(), test.key, []objstore.Range{{Off: 0, Len: 0}, test.r}); !errors.Is(err, objstore.ErrCorrupt) {
			t.Errorf("%s: %v, want ErrCorrupt", test.name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.ReadRanges(ctx, "r/o", []objstore.Range{{Off: 0, Len: 1}}); !errors.Is(err, context.Canceled) {
		t.Errorf("ReadRanges with a cancelled context: %v, want %v", err, context.Canceled)
	}
}

func testLargeRanges(t *testing.T, s objstore.Store) {
	const size = 20 << 20
	content := data(3, size)
	put(t, s, "large", content)
	var ranges []objstore.Range
	for off := int64(0); off < size; off += 64 << 10 { // neighbours, together more than one request reads
		ranges = append(ranges, objstore.Range{Off: off, Len: 60 << 10})
	}
	ranges = append(ranges, objstore.Range{Off: 1, Len: size - 2}, objstore.Range{Off: 12 << 20, Len: 8 << 20})
	got, err := s.ReadRanges(t.Context(), "large", ranges)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range ranges {
		if !bytes.Equal(got[i], content[r.Off:r.Off+r.Len]) {
			t.Fatalf("range %d (%d bytes at %d) differs", i, r.Len, r.Off)
		}
	}
}

func testBodyContext(t *testing.T, s objstore.Store) {
	content := data(4, 16<<20)
	put(t, s, "body", content)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	body, _, err := s.Get(ctx, "body")
	if err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 1000)
	if _, err := io.ReadFull(body, first); err != nil || !bytes.Equal(first, content[:1000]) {
		t.Errorf("the first bytes: %v", err)
	}
	cancel()
	if n, err := io.Copy(io.Discard, body); !errors.Is(err, context.Canceled) {
		t.Errorf("reading on after the context ended: %d bytes, %v, want %v", n, err, context.Canceled)
	}
	if err := body.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if _, err := body.Read(first); err == nil || err == io.EOF {
		t.Errorf("Read after Close: %v, want an error", err)
	}
}
