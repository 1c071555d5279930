package cachestore

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"frostline/objstore"
	"frostline/objstore/faultstore"
)

// inFolder are the files of a cache's folder and what they take.
func inFolder(t *testing.T, dir string) (files []string, size int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return nil //nolint:nilerr // what a cache removes meanwhile
		}
		if info, err := e.Info(); err == nil {
			files, size = append(files, path), size+onDisk(info.Size())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files, size
}

const (
	manifestKey = "s/t/metadata/m0.avro"
	versionKey  = "s/t/metadata/v7.metadata.json"
)

// A process that starts later, or runs beside, reads nothing of the store but what may change.
func TestDiskOutlivesTheProcess(t *testing.T) {
	below := faultstore.Wrap(fileStore(t))
	want, manifest, metadata := content(1, 700_000), content(2, 9000), []byte(`{"format-version": 2}`)
	put(t, below, dataKey, want)
	put(t, below, manifestKey, manifest)
	put(t, below, versionKey, metadata)
	dir := t.TempDir()
	o := Options{MemoryBytes: 1 << 20, Dir: dir, DiskBytes: 64 << 20}
	all := objstore.Range{Off: 0, Len: int64(len(want))}
	first, err := Wrap(below, o)
	if err != nil {
		t.Fatal(err)
	}
	beside := wrap(t, below, o)
	use := func(s objstore.Store) {
		t.Helper()
		read(t, s, dataKey, want, all)
		if !bytes.Equal(get(t, s, manifestKey), manifest) || !bytes.Equal(get(t, s, versionKey), metadata) {
			t.Error("the metadata differs")
		}
	}
	use(first)
	first.Close()
	for name, s := range map[string]*Store{"beside": beside, "later": wrap(t, below, o), "without memory": wrap(t, below, Options{Dir: dir, DiskBytes: 64 << 20})} {
		below.Reset()
		use(s)
		if got := fmt.Sprint(below.Calls()); got != fmt.Sprintf("[{stat %s}]", versionKey) {
			t.Errorf("%s: the store was asked %s, want a stat of the version", name, got)
		}
	}
	// The same name in another warehouse is another object.
	other := fileStore(t)
	different := content(3, 700_000)
	put(t, other, dataKey, different)
	read(t, wrap(t, other, o), dataKey, different, all)

	// A table that was removed and made anew has a version of the same name.
	time.Sleep(10 * time.Millisecond)
	put(t, below, versionKey, []byte(`{"format-version": 3}`))
	if got := string(get(t, wrap(t, below, o), versionKey)); got != `{"format-version": 3}` {
		t.Errorf("the version of a table made anew is %s", got)
	}
	if info, err := os.Stat(filepath.Join(dir, folderName)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder's mode is %v, want 0700: %v", info.Mode(), err)
	}
}

// A file that was damaged in any byte, cut, or put in another's place is not used, and goes.
func TestDamagedFiles(t *testing.T) {
	below := faultstore.Wrap(fileStore(t))
	want := content(4, 3*blockBytes)
	put(t, below, dataKey, want)
	dir := t.TempDir()
	o := Options{Dir: dir, DiskBytes: 64 << 20}
	s, err := Wrap(below, o)
	if err != nil {
		t.Fatal(err)
	}
	read(t, s, dataKey, want, objstore.Range{Off: 0, Len: int64(len(want))})
	s.Close()
	file := s.disk.file(dataKey, 1)
	sound, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.ReadFile(s.disk.file(dataKey, 2))
	if err != nil {
		t.Fatal(err)
	}
	flip := func(at int) []byte { b := bytes.Clone(sound); b[at] ^= 0x10; return b }
	bad := map[string][]byte{"empty": {}, "of another block": other, "too long": append(bytes.Clone(sound), 0), "zeros": make([]byte, len(sound))}
	for _, at := range []int{0, 7, 8, 12, 16, 19, headBytes, headBytes + 30, len(sound) / 2, len(sound) - 9, len(sound) - 1} {
		bad[fmt.Sprint("byte ", at)] = flip(at)
		bad[fmt.Sprint("cut at ", at)] = sound[:at]
	}
	for name, b := range bad {
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s := wrap(t, below, o)
		below.Reset()
		read(t, s, dataKey, want, objstore.Range{Off: 3*blockBytes - 1, Len: 1}) // as a footer: the size is known
		read(t, s, dataKey, want, objstore.Range{Off: blockBytes + 5, Len: 1000})
		if calls(below) != 1 {
			t.Errorf("%s: the store was asked %d times, want once", name, calls(below))
		}
		s.Close()
		if now, err := os.ReadFile(file); err != nil || !bytes.Equal(now, sound) {
			t.Errorf("%s: the file was not written anew: %v", name, err)
		}
		if s.Stats().DiskErrors != 1 {
			t.Errorf("%s: %d errors are counted, want 1", name, s.Stats().DiskErrors)
		}
	}
}

// The folder stays within its bound, what was used last stays, and nothing but the cache's own files goes.
func TestDiskBound(t *testing.T) {
	below := fileStore(t)
	const size = 24 << 20
	want := content(5, size)
	put(t, below, dataKey, want)
	dir := t.TempDir()
	for _, name := range []string{"a file of mine", "1", "new-report"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := Options{Dir: dir, DiskBytes: leastDisk}
	s, beside := wrap(t, below, o), wrap(t, below, o)
	hot := objstore.Range{Off: 0, Len: blockBytes}
	read(t, s, dataKey, want, hot)
	drain(s)
	var most int64
	for i := int64(1); i < size/blockBytes; i++ {
		reader := s
		if i%2 == 0 {
			reader = beside
		}
		read(t, reader, dataKey, want, objstore.Range{Off: i * blockBytes, Len: blockBytes})
		drain(reader)
		if i%8 == 0 { // as a hit does after a minute
			now := time.Now()
			_ = os.Chtimes(s.disk.file(dataKey, 0), now, now)
		}
		if i%16 == 0 {
			_, n := inFolder(t, filepath.Join(dir, folderName))
			most = max(most, n)
		}
	}
	s.Close()
	beside.Close()
	files, n := inFolder(t, filepath.Join(dir, folderName))
	if most = max(most, n); most > leastDisk || most < leastDisk/2 {
		t.Errorf("the folder had %d bytes, want at most %d and more than half of it", most, leastDisk)
	}
	later := wrap(t, below, o)
	if _, _, ok := later.disk.get(dataKey, 0); !ok {
		t.Errorf("the block that was used all the time is gone of %d files", len(files))
	}
	if _, _, ok := later.disk.get(dataKey, 1); ok {
		t.Error("a block that was used once, long ago, is there")
	}
	for _, name := range []string{"a file of mine", "1", "new-report"} {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(b) != "mine" {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
}

// drain waits until all that was queued is written.
func drain(s *Store) {
	for pending := 1; pending > 0; time.Sleep(100 * time.Microsecond) {
		s.disk.mu.Lock()
		pending = s.disk.pending
		s.disk.mu.Unlock()
	}
}

// A hit makes a file young again, so that the sweep spares it.
func TestHitRenews(t *testing.T) {
	below := fileStore(t)
	want := content(6, 1000)
	put(t, below, dataKey, want)
	s := wrap(t, below, Options{Dir: t.TempDir(), DiskBytes: leastDisk})
	read(t, s, dataKey, want, objstore.Range{Off: 0, Len: 1000})
	s.Close()
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(s.disk.file(dataKey, 0), old, old); err != nil {
		t.Fatal(err)
	}
	if _, _, ok := s.disk.get(dataKey, 0); !ok {
		t.Fatal("the block is not on disk")
	}
	if info, err := os.Stat(s.disk.file(dataKey, 0)); err != nil || time.Since(info.ModTime()) > time.Minute {
		t.Errorf("after a hit the file is of %v: %v", info.ModTime(), err)
	}
}

// A disk that cannot be written means no caching, and no error.
func TestDiskFails(t *testing.T) {
	below := faultstore.Wrap(fileStore(t))
	want := content(7, 300_000)
	put(t, below, dataKey, want)
	dir := t.TempDir()
	s := wrap(t, below, Options{Dir: dir, DiskBytes: leastDisk})
	folder := s.disk.folder(dataKey) // a file stands where a folder is to be made
	if err := os.WriteFile(filepath.Dir(folder), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		read(t, s, dataKey, want, objstore.Range{Off: 0, Len: 300_000})
	}
	s.Close()
	if n := calls(below); n != 3 {
		t.Errorf("%d reads of the store, want 3", n)
	}
	if st := s.Stats(); st.DiskErrors != 1 { // the first; then nothing is tried for a while
		t.Errorf("%d errors are counted, want 1", st.DiskErrors)
	}
}

// Readers that a closing server did not wait for are served still, and nothing is written.
func TestReadAfterClose(t *testing.T) {
	below := fileStore(t)
	want := content(9, 300_000)
	put(t, below, dataKey, want)
	put(t, below, manifestKey, want)
	dir := t.TempDir()
	s := wrap(t, below, Options{Dir: dir, DiskBytes: leastDisk})
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		read(t, s, dataKey, want, objstore.Range{Off: 0, Len: 300_000})
		if !bytes.Equal(get(t, s, manifestKey), want) {
			t.Error("the manifest differs")
		}
	}
	if files, _ := inFolder(t, dir); len(files) != 0 {
		t.Errorf("written after Close: %q", files)
	}
}

// Processes that are killed at any moment leave only sound files, and unfinished ones under another name, which go after an hour.
func TestKilled(t *testing.T) {
	if dir := os.Getenv("CACHESTORE_WRITES"); dir != "" {
		warehouse := os.Getenv("CACHESTORE_WAREHOUSE")
		below, err := objstore.Open(t.Context(), warehouse, objstore.Options{})
		if err != nil {
			t.Fatal(err)
		}
		s := wrap(t, below, Options{Dir: dir, DiskBytes: leastDisk})
		go func() { // it ends with the process that started it
			_, _ = os.Stdin.Read(make([]byte, 1))
			os.Exit(0)
		}()
		for i := int64(0); ; i = (i + 1) % 160 {
			if _, err := s.ReadRanges(t.Context(), dataKey, []objstore.Range{{Off: i * blockBytes, Len: blockBytes}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	below := fileStore(t)
	want := content(8, 20<<20)
	put(t, below, dataKey, want)
	dir := t.TempDir()
	for i := range 6 {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestKilled$")
		cmd.Env = append(os.Environ(), "CACHESTORE_WRITES="+dir, "CACHESTORE_WAREHOUSE="+below.Root())
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for writes := 0; writes < 4; time.Sleep(time.Millisecond) {
			if time.Since(start) > time.Minute {
				t.Fatalf("run %d has written %d files in a minute", i, writes)
			}
			writes = 0
			files, _ := inFolder(t, dir)
			for _, f := range files {
				if info, err := os.Stat(f); err == nil && info.ModTime().After(start) {
					writes++
				}
			}
		}
		time.Sleep(time.Duration(3*i) * time.Millisecond)
		cmd.Process.Kill()
		_ = cmd.Wait()
		in.Close()
	}
	files, size := inFolder(t, dir)
	if len(files) < 20 || size > leastDisk {
		t.Errorf("%d files of %d bytes were left", len(files), size)
	}
	s := wrap(t, below, Options{Dir: dir, DiskBytes: leastDisk})
	for i := int64(0); i < 160; i++ {
		read(t, s, dataKey, want, objstore.Range{Off: i * blockBytes, Len: blockBytes})
	}
	if st := s.Stats(); st.DiskHits == 0 || st.DiskErrors != 0 {
		t.Errorf("counts %+v: want hits, and no damaged file", st)
	}
	stale := filepath.Join(dir, folderName, "00", tempPrefix+"stale")
	if err := os.MkdirAll(filepath.Dir(stale), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(stale, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(stale, old, old); err != nil {
		t.Fatal(err)
	}
	s.disk.sweep()
	left, _ := inFolder(t, dir)
	for _, f := range left {
		if f == stale {
			t.Error("an unfinished file of a process that was killed two hours ago is there")
		}
	}
}

// A folder into which others can put files is refused: they would be served.
func TestDiskFolderOfOthers(t *testing.T) {
	for name, c := range map[string]struct {
		make func(path string) error
		ok   bool
	}{
		"own":            {func(path string) error { return os.Mkdir(path, 0o700) }, true},
		"group may":      {func(path string) error { return errors.Join(os.Mkdir(path, 0o700), os.Chmod(path, 0o770)) }, true}, // as with a volume's fsGroup
		"all may":        {func(path string) error { return errors.Join(os.Mkdir(path, 0o700), os.Chmod(path, 0o777)) }, false},
		"a link":         {func(path string) error { return os.Symlink(t.TempDir(), path) }, false},
		"another user's": {func(path string) error { return errors.Join(os.Mkdir(path, 0o700), os.Chown(path, 1, 1)) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "another user's" && os.Geteuid() != 0 {
				t.Skip("only the superuser can give a folder away")
			}
			dir := t.TempDir()
			if err := c.make(filepath.Join(dir, folderName)); err != nil {
				t.Fatal(err)
			}
			d, err := openDisk(dir, leastDisk, "file:///warehouse")
			if err == nil {
				d.close()
			}
			if (err == nil) != c.ok || err != nil && !strings.Contains(err.Error(), "not this user's alone") {
				t.Errorf("%v", err)
			}
		})
	}
}
