// Package storetest is the conformance suite of objstore.Store: what every implementation does alike.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"frostline/objstore"
)

// Run checks the store that open returns. Each test opens an empty one of its own.
func Run(t *testing.T, open func(t *testing.T) objstore.Store) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, s objstore.Store)
	}{
		{"put and get", testPutGet},
		{"put replaces", testPutReplaces},
		{"failed put shows nothing", testFailedPut},
		{"create once", testCreate},
		{"create has one winner", testCreateRace},
		{"missing keys", testMissing},
		{"hostile keys", testHostileKeys},
		{"refused keys", testRefusedKeys},
		{"list", testList},
		{"read ranges", testReadRanges},
		{"read large ranges", testLargeRanges},
		{"delete", testDelete},
		{"body ends with its context", testBodyContext},
		{"put and delete at once", testPutDelete},
		{"locations", testLocations},
		{"probe", testProbe},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

// data is n bytes that no other seed gives and that do not compress.
func data(seed uint64, n int) []byte {
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(b) // never fails
	return b
}

func put(t *testing.T, s objstore.Store, key string, content []byte) objstore.Object {
	t.Helper()
	var r io.Reader = struct{ io.Reader }{bytes.NewReader(content)} // its length cannot be asked
	if len(content) <= 5000 {
		r = iotest.OneByteReader(r)
	}
	o, err := s.Put(t.Context(), key, r)
	if err != nil {
		t.Fatalf("Put(%q): %v", key, err)
	}
	return o
}

func get(t *testing.T, s objstore.Store, key string) []byte {
	t.Helper()
	body, o, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatalf("Get(%q): %v", key, err)
	}
	defer body.Close()
	got, err := io.ReadAll(body)
	if err != nil {
		t.Fatalf("read %q: %v", key, err)
	}
	if o.Key != key || o.Size != int64(len(got)) {
		t.Errorf("Get(%q) describes %q of %d bytes, the body has %d", key, o.Key, o.Size, len(got))
	}
	return got
}

func list(t *testing.T, s objstore.Store, prefix string) []string {
	t.Helper()
	keys := []string{}
	for o, err := range s.List(t.Context(), prefix) {
		if err != nil {
			t.Fatalf("List(%q): %v", prefix, err)
		}
		keys = append(keys, o.Key)
	}
	return keys
}

func testPutGet(t *testing.T, s objstore.Store) {
	for _, size := range []int{0, 1, 5000, 8<<20 - 1, 8 << 20, 17 << 20} {
		content, key := data(1, size), fmt.Sprintf("sizes/%d", size)
		o := put(t, s, key, content)
		if o.Key != key || o.Size != int64(size) {
			t.Errorf("Put of %d bytes returned %q of %d bytes", size, o.Key, o.Size)
		}
		if !bytes.Equal(get(t, s, key), content) {
			t.Errorf("Get of %d bytes: the content differs", size)
		}
		st, err := s.Stat(t.Context(), key)
		if err != nil {
			t.Fatalf("Stat: %v", err)
		}
		if st.Key != key || st.Size != int64(size) || st.Modified.IsZero() || st.Class != "" {
			t.Errorf("Stat of %d bytes returned %+v", size, st)
		}
	}
}

func testPutReplaces(t *testing.T, s objstore.Store) {
	put(t, s, "a/k", []byte("the first, which is longer"))
	put(t, s, "a/k", []byte("second"))
	if got := get(t, s, "a/k"); string(got) != "second" {
		t.Errorf("after two puts: %q, want %q", got, "second")
	}
	if got := list(t, s, ""); !slices.Equal(got, []string{"a/k"}) {
		t.Errorf("after two puts: %q", got)
	}
}

func testFailedPut(t *testing.T, s objstore.Store) {
	put(t, s, "a/old", []byte("old"))
	boom := errors.New("boom")
	for _, after := range []int{0, 100, 9 << 20} {
		for _, key := range []string{"a/old", "a/new", "new/new"} {
			r := io.MultiReader(bytes.NewReader(make([]byte, after)), iotest.ErrReader(boom))
			if _, err := s.Put(t.Context(), key, r); !errors.Is(err, boom) {
				t.Errorf("Put whose data breaks after %d bytes: %v, want %v", after, err, boom)
			} else if want := "put " + s.Root() + "/" + key + ": the data to write ended in an error: boom"; err.Error() != want {
				t.Errorf("Put whose data breaks after %d bytes: %q, want %q", after, err, want)
			}
		}
	}
	for _, after := range []int{0, 100, 9 << 20} {
		ctx, cancel := context.WithCancel(t.Context())
		r := io.MultiReader(bytes.NewReader(make([]byte, after)), readFunc(func([]byte) (int, error) {
			cancel()
			return 0, nil
		}), bytes.NewReader(make([]byte, 9<<20)))
		if _, err := s.Put(ctx, "a/new", r); !errors.Is(err, context.Canceled) {
			t.Errorf("Put cancelled after %d bytes: %v, want %v", after, err, context.Canceled)
		}
		cancel()
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Create(ctx, "a/new", []byte("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("Create with a cancelled context: %v, want %v", err, context.Canceled)
	}
	if got := get(t, s, "a/old"); string(got) != "old" {
		t.Errorf("after failed puts: %q, want %q", got, "old")
	}
	if got := list(t, s, ""); !slices.Equal(got, []string{"a/old"}) {
		t.Errorf("after failed puts: %q, want only a/old", got)
	}
}

type readFunc func([]byte) (int, error)

// Read calls f once and is at its end.
func (f readFunc) Read(p []byte) (int, error) {
	f(p)
	return 0, io.EOF
}

func testCreate(t *testing.T, s objstore.Store) {
	if err := s.Create(t.Context(), "m/v1", []byte("one")); err != nil {
		t.Fatalf("Create: %v", err)
	}
	err := s.Create(t.Context(), "m/v1", []byte("two"))
	if !errors.Is(err, objstore.ErrExist) {
		t.Errorf("second Create: %v, want ErrExist", err)
	}
	if want := "create " + s.Root() + "/m/v1: object exists"; err != nil && err.Error() != want {
		t.Errorf("second Create: %q, want %q", err, want)
	}
	if got := get(t, s, "m/v1"); string(got) != "one" {
		t.Errorf("after two creates: %q, want %q", got, "one")
	}
	if err := s.Create(t.Context(), "m/empty", nil); err != nil {
		t.Errorf("Create without data: %v", err)
	}
	if err := s.Delete(t.Context(), "m/v1"); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	if err := s.Create(t.Context(), "m/v1", []byte("three")); err != nil {
		t.Errorf("Create after Delete: %v", err)
	}
	if got := get(t, s, "m/v1"); string(got) != "three" {
		t.Errorf("created again: %q, want %q", got, "three")
	}
}

func testCreateRace(t *testing.T, s objstore.Store) {
	const writers = 100
	for _, key := range []string{"race/1", "race/2", "race/3"} {
		var winner atomic.Int64
		var won atomic.Int64
		var all sync.WaitGroup
		for i := range writers {
			all.Go(func() {
				err := s.Create(t.Context(), key, fmt.Appendf(nil, "writer %d", i))
				switch {
				case err == nil:
					won.Add(1)
					winner.Store(int64(i))
				case !errors.Is(err, objstore.ErrExist):
					t.Errorf("Create: %v, want nil or ErrExist", err)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d of %d writers won, want 1", won.Load(), writers)
		}
		if got, want := string(get(t, s, key)), fmt.Sprintf("writer %d", winner.Load()); got != want {
			t.Errorf("the object is of %q, the winner was %q", got, want)
		}
	}
}

func testMissing(t *testing.T, s objstore.Store) {
	ctx := t.Context()
	check := func(store string) {
		t.Helper()
		for _, key := range []string{"no", "no/such/key"} {
			_, _, errGet := s.Get(ctx, key)
			_, errStat := s.Stat(ctx, key)
			_, errRead := s.ReadRanges(ctx, key, []objstore.Range{{Off: 0, Len: 1}})
			for name, err := range map[string]error{"Get": errGet, "Stat": errStat, "ReadRanges": errRead} {
				if !errors.Is(err, objstore.ErrNotExist) {
					t.Errorf("%s: %s(%q): %v, want ErrNotExist", store, name, key, err)
				}
				if err != nil && !strings.Contains(err.Error(), objstore.Location(s, key)) {
					t.Errorf("%s: %s(%q): %q does not name the location", store, name, key, err)
				}
			}
			if err := s.Delete(ctx, key); err != nil {
				t.Errorf("%s: Delete(%q): %v", store, key, err)
			}
		}
		if got := list(t, s, "no"); len(got) != 0 {
			t.Errorf("%s: List gives %q", store, got)
		}
	}
	check("empty store")
	put(t, s, "some/key", nil)
	check("store with a key")
	// A folder of keys is no key.
	if _, err := s.Stat(ctx, "some"); !errors.Is(err, objstore.ErrNotExist) {
		t.Errorf("Stat of a folder: %v, want ErrNotExist", err)
	}
	if _, _, err := s.Get(ctx, "some"); !errors.Is(err, objstore.ErrNotExist) {
		t.Errorf("Get of a folder: %v, want ErrNotExist", err)
	}
	if err := s.Delete(ctx, "some"); err != nil {
		t.Errorf("Delete of a folder: %v", err)
	}
	if got := list(t, s, ""); !slices.Equal(got, []string{"some/key"}) {
		t.Errorf("List: %q, want some/key", got)
	}
}

func testHostileKeys(t *testing.T, s objstore.Store) {
	keys := []string{
		`a b/c  d`,
		`quotes/'single' "double"`,
		`url/%2F%00?x=1&y=2#z+w`,
		`unicode/Ünïcode-表-🧊`,
		`glob/[a-z]*{b,c}`,
		`dots/...`,
		`dots/..a`,
		`dots/a..`,
		`c=1/d=2=3/-_.~!()`,
		`back\slash`,
		`<xml>&amp;/]]>`,
		strings.Repeat("long/", 60) + strings.Repeat("x", 200),
	}
	for i, key := range keys {
		put(t, s, key, fmt.Appendf(nil, "content %d", i))
	}
	for i, key := range keys {
		want := fmt.Sprintf("content %d", i)
		if got := string(get(t, s, key)); got != want {
			t.Errorf("Get(%q): %q, want %q", key, got, want)
		}
		got, err := s.ReadRanges(t.Context(), key, []objstore.Range{{Off: 8, Len: 1}})
		if err != nil || string(got[0]) != want[8:9] {
			t.Errorf("ReadRanges(%q): %q, %v", key, got, err)
		}
	}
	slices.Sort(keys)
	if got := list(t, s, ""); !slices.Equal(got, keys) {
		t.Errorf("List gives\n%q, want\n%q", got, keys)
	}
	if err := s.Delete(t.Context(), keys...); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	if got := list(t, s, ""); len(got) != 0 {
		t.Errorf("after Delete: %q", got)
	}
}

func testRefusedKeys(t *testing.T, s objstore.Store) {
	ctx := t.Context()
	for _, key := range []string{
		"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/../b", "a/../../b", "./a", "a/.", "a/./b",
		"zero\x00byte", "not utf-8 \xff",
	} {
		_, errPut := s.Put(ctx, key, strings.NewReader("x"))
		errCreate := s.Create(ctx, key, nil)
		_, _, errGet := s.Get(ctx, key)
		_, errRead := s.ReadRanges(ctx, key, nil)
		_, errStat := s.Stat(ctx, key)
		errDelete := s.Delete(ctx, "a", key)
		for name, err := range map[string]error{"Put": errPut, "Create": errCreate, "Get": errGet,
			"ReadRanges": errRead, "Stat": errStat, "Delete": errDelete} {
			if !errors.Is(err, objstore.ErrOutside) {
				t.Errorf("%s(%q): %v, want ErrOutside", name, key, err)
			}
		}
	}
	for _, prefix := range []string{"/", "../", "../a", "a/../b", "a//", "zero\x00"} {
		for _, err := range s.List(ctx, prefix) {
			if !errors.Is(err, objstore.ErrOutside) {
				t.Errorf("List(%q): %v, want ErrOutside", prefix, err)
			}
		}
	}
}

func testDelete(t *testing.T, s objstore.Store) {
	for _, key := range []string{"d/1", "d/2", "d/e/3", "k"} {
		put(t, s, key, []byte("x"))
	}
	if err := s.Delete(t.Context()); err != nil {
		t.Errorf("Delete of nothing: %v", err)
	}
	if err := s.Delete(t.Context(), "d/1", "d/none", "d/e/3", "d/1"); err != nil {
		t.Errorf("Delete: %v", err)
	}
	if got := list(t, s, ""); !slices.Equal(got, []string{"d/2", "k"}) {
		t.Errorf("after Delete: %q, want d/2 and k", got)
	}
	if _, _, err := s.Get(t.Context(), "d/1"); !errors.Is(err, objstore.ErrNotExist) {
		t.Errorf("Get after Delete: %v, want ErrNotExist", err)
	}
	put(t, s, "d/e", []byte("x")) // the folder d/e is gone, so that its name is free
	if got := list(t, s, "d/e"); !slices.Equal(got, []string{"d/e"}) {
		t.Errorf("List: %q, want d/e", got)
	}
}

func testPutDelete(t *testing.T, s objstore.Store) {
	put(t, s, "same/folder/kept", nil) // versitygw fails puts into a folder that a delete empties meanwhile
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			key := fmt.Sprintf("same/folder/%d", i)
			for range 15 {
				if _, err := s.Put(t.Context(), key, strings.NewReader(key)); err != nil {
					t.Errorf("Put: %v", err)
				}
				if got := string(get(t, s, key)); got != key {
					t.Errorf("Get: %q, want %q", got, key)
				}
				for _, err := range s.List(t.Context(), "same/") {
					if err != nil {
						t.Errorf("List: %v", err)
					}
				}
				if err := s.Delete(t.Context(), key); err != nil {
					t.Errorf("Delete: %v", err)
				}
			}
		})
	}
	all.Wait()
	if got := list(t, s, ""); !slices.Equal(got, []string{"same/folder/kept"}) {
		t.Errorf("after all others were deleted: %q", got)
	}
}

func testLocations(t *testing.T, s objstore.Store) {
	location := objstore.Location(s, "a/b c")
	if location != s.Root()+"/a/b c" {
		t.Errorf("Location: %q", location)
	}
	if key, err := objstore.Key(s, location); key != "a/b c" || err != nil {
		t.Errorf("Key(%q): %q, %v", location, key, err)
	}
	for _, outside := range []string{
		"", "a/b", s.Root(), s.Root() + "/", s.Root() + "x/a", s.Root() + "/../a", s.Root() + "/a/../b",
		"s3://other-bucket/a", "file:///etc/passwd", "/etc/passwd",
	} {
		if key, err := objstore.Key(s, outside); !errors.Is(err, objstore.ErrOutside) {
			t.Errorf("Key(%q): %q, %v, want ErrOutside", outside, key, err)
		}
	}
}

func testProbe(t *testing.T, s objstore.Store) {
	for range 2 {
		if err := s.Probe(t.Context()); err != nil {
			t.Fatalf("Probe: %v", err)
		}
	}
	if got := list(t, s, ""); len(got) != 0 {
		t.Errorf("Probe left %q", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Probe(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Probe with a cancelled context: %v, want %v", err, context.Canceled)
	}
}
