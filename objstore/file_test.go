package objstore_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"frostline/objstore"
)

// tree is the paths below dir, folders with a slash.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var paths []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, path)
		if e != nil && e.IsDir() {
			rel += "/"
		}
		if rel != "./" {
			paths = append(paths, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestOpen(t *testing.T) {
	for location, want := range map[string]string{
		"":                     `open warehouse "": want s3://bucket/prefix or file:///folder`,
		"/tmp/x":               `open warehouse "/tmp/x": want s3://bucket/prefix or file:///folder`,
		"gs://b/p":             `open warehouse "gs://b/p": want s3://bucket/prefix or file:///folder`,
		"file://rel/x":         `open warehouse "file://rel/x": want three slashes and an absolute path, file:///folder`,
		"file:///":             `open warehouse "file:///": the root of the file system is no warehouse`,
		"s3://":                `open warehouse "s3://": no bucket name in it; want s3://bucket/prefix`,
		"s3:///p":              `open warehouse "s3:///p": no bucket name in it; want s3://bucket/prefix`,
		"s3://b/../c":          `open warehouse "s3://b/../c": key "../c": outside the warehouse: it has an empty, "." or ".." segment`,
		"s3://user:pw@host/b/": `open warehouse "s3://user:pw@host/b/": no bucket name in it; want s3://bucket/prefix`,
	} {
		if _, err := objstore.Open(t.Context(), location, objstore.Options{}); err == nil || err.Error() != want {
			t.Errorf("Open(%q): %v, want %s", location, err, want)
		}
	}
	if _, err := objstore.Open(t.Context(), "s3://b/p", objstore.Options{Endpoint: "localhost:9000"}); err == nil {
		t.Error("Open with an endpoint that is no URL succeeds")
	}
	for location, root := range map[string]string{
		"file:///tmp/a/":         "file:///tmp/a",
		"file:///tmp/a/../b//c":  "file:///tmp/b/c",
		"file:///tmp/ä b%20":     "file:///tmp/ä b%20",
		"s3://bucket":            "s3://bucket",
		"s3://bucket/p/q/":       "s3://bucket/p/q",
		"s3://my.bucket-1/x=1/y": "s3://my.bucket-1/x=1/y",
	} {
		if s := open(t, location, objstore.Options{}); s.Root() != root {
			t.Errorf("Open(%q) has root %q, want %q", location, s.Root(), root)
		}
	}
}

func TestFileFolders(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "yet")
	s := open(t, "file://"+dir, objstore.Options{})
	if _, err := s.Stat(t.Context(), "k"); !errors.Is(err, objstore.ErrNotExist) {
		t.Errorf("Stat before the first write: %v, want ErrNotExist", err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("reading made the folder: %v", err)
	}
	mustPut(t, s, "a/b/c/1", []byte("x"))
	mustPut(t, s, "a/2", []byte("x"))
	if got, want := tree(t, dir), []string{".tmp/", "a/", "a/2", "a/b/", "a/b/c/", "a/b/c/1"}; !slices.Equal(got, want) {
		t.Errorf("after two puts: %q, want %q", got, want)
	}
	if err := s.Delete(t.Context(), "a/b/c/1"); err != nil {
		t.Fatal(err)
	}
	if got, want := tree(t, dir), []string{".tmp/", "a/", "a/2"}; !slices.Equal(got, want) {
		t.Errorf("after Delete: %q, want %q", got, want)
	}
}

// TestFilePutIntoEmptiedFolder: a delete removes the folder that a put has just made.
func TestFilePutIntoEmptiedFolder(t *testing.T) {
	dir := t.TempDir()
	s := open(t, "file://"+dir, objstore.Options{})
	var all sync.WaitGroup
	for _, key := range []string{"a/b/1", "a/b/2", "a/b/3", "a/4"} {
		all.Go(func() {
			for i := range 100 {
				var err error
				if i%2 == 0 {
					_, err = s.Put(t.Context(), key, strings.NewReader(key))
				} else {
					err = s.Create(t.Context(), key, []byte(key))
				}
				if err != nil {
					t.Errorf("write: %v", err)
				}
				if got, err := readAll(t, s, key); string(got) != key || err != nil {
					t.Errorf("read %q: %q, %v", key, got, err)
				}
				if err := s.Delete(t.Context(), key); err != nil {
					t.Errorf("delete: %v", err)
				}
			}
		})
	}
	all.Wait()
	if got := tree(t, dir); !slices.Equal(got, []string{".tmp/"}) {
		t.Errorf("after all was deleted: %q", got)
	}
}

func TestFileCrashLeftovers(t *testing.T) {
	dir := t.TempDir()
	s := open(t, "file://"+dir, objstore.Options{})
	mustPut(t, s, "k", []byte("x"))
	// What writers leave when they die: one a moment ago, one long ago.
	for name, age := range map[string]time.Duration{"recent": time.Hour, "old": 25 * time.Hour} {
		path := filepath.Join(dir, ".tmp", name)
		if err := os.WriteFile(path, []byte("half"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Time{}, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	for _, prefix := range []string{"", ".", ".tmp/", ".tmp/re"} {
		for o, err := range s.List(t.Context(), prefix) {
			if err != nil || o.Key != "k" {
				t.Errorf("List(%q) gives %q, %v", prefix, o.Key, err)
			}
		}
	}
	if _, err := s.Stat(t.Context(), ".tmp/recent"); !errors.Is(err, objstore.ErrOutside) {
		t.Errorf("Stat of a temporary file: %v, want ErrOutside", err)
	}
	mustPut(t, s, "k", []byte("y"))
	if got, want := tree(t, dir), []string{".tmp/", ".tmp/recent", "k"}; !slices.Equal(got, want) {
		t.Errorf("after another put: %q, want %q", got, want)
	}
}

func TestFileSymbolicLinksLeadNowhere(t *testing.T) {
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s := open(t, "file://"+dir, objstore.Options{})
	mustPut(t, s, "k", []byte("x"))
	for name, target := range map[string]string{"folder": outside, "file": filepath.Join(outside, "secret")} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"folder/secret", "file"} {
		if _, _, err := s.Get(t.Context(), key); err == nil {
			t.Errorf("Get(%q) leads out of the warehouse", key)
		}
	}
	if _, err := s.Put(t.Context(), "folder/new", strings.NewReader("x")); err == nil {
		t.Error("Put leads out of the warehouse")
	}
	if err := s.Delete(t.Context(), "folder/secret"); err == nil {
		t.Error("Delete leads out of the warehouse")
	}
	for o, err := range s.List(t.Context(), "") {
		if err != nil || o.Key != "k" {
			t.Errorf("List gives %q, %v; want only k", o.Key, err)
		}
	}
	if got := tree(t, outside); !slices.Equal(got, []string{"secret"}) {
		t.Errorf("outside there is %q", got)
	}
}

func TestFileUnreachable(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s := open(t, "file://"+dir+"/file/warehouse", objstore.Options{})
	want := "put file://" + dir + "/file/warehouse/k: store cannot be reached: folder " + dir +
		"/file/warehouse: mkdir: not a directory; nothing was written"
	if _, err := s.Put(t.Context(), "k", strings.NewReader("x")); !errors.Is(err, objstore.ErrUnreachable) || err.Error() != want {
		t.Errorf("Put: %v, want %s", err, want)
	}
	if err := s.Probe(t.Context()); !errors.Is(err, objstore.ErrUnreachable) {
		t.Errorf("Probe: %v, want ErrUnreachable", err)
	}
	// A key whose parent is an object.
	s = open(t, "file://"+dir, objstore.Options{})
	want = "put file://" + dir + "/file/k: "
	if _, err := s.Put(t.Context(), "file/k", strings.NewReader("x")); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("Put below an object: %v, want %s…", err, want)
	}
}

func TestFileCutWhileRead(t *testing.T) {
	dir := t.TempDir()
	s := open(t, "file://"+dir, objstore.Options{})
	mustPut(t, s, "k", make([]byte, 1000))
	body, _, err := s.Get(context.Background(), "k")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if err := os.Truncate(filepath.Join(dir, "k"), 400); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(body)
	want := "get file://" + dir + "/k: object is corrupt: the file ends 600 bytes early"
	if !errors.Is(err, objstore.ErrCorrupt) || err.Error() != want || len(got) != 400 {
		t.Errorf("%d bytes, %v; want 400 and %q", len(got), err, want)
	}
	// A put while it is read changes nothing for the reader.
	mustPut(t, s, "k", []byte("first"))
	body, _, err = s.Get(context.Background(), "k")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	mustPut(t, s, "k", []byte("second"))
	if got, err := io.ReadAll(body); string(got) != "first" || err != nil {
		t.Errorf("read %q, %v; want %q", got, err, "first")
	}
}
