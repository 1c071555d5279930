package cachestore

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zeebo/xxh3"
)

// A file of the cache is its head (magic, and the lengths of name, about and data as 32-bit numbers), the name of what it holds
// ("<location>#<index>"), what is said about it, the data, and the 64-bit xxh3 of all that. Numbers are little-endian. It stands at
// <dir>/<2 hex digits>/<the object's hash, 32 digits>/<index>.
const (
	magic      = "frostlc1"
	headBytes  = len(magic) + 3*4
	sumBytes   = 8
	tempPrefix = "new-"
	// touchAfter is how old the time of a file may be before a hit renews it: the sweep goes by these times.
	touchAfter = time.Minute
	// queueBytes is what waits to be written at most; what comes above it is not cached.
	queueBytes = 32 << 20
	// restTime is how long nothing is written after a failure.
	restTime = 30 * time.Second
)

// disk is the cache's folder. Reading is done by the callers, writing by one goroutine.
type disk struct {
	dir, root string
	most      int64 // bytes

	failures atomic.Int64

	mu      sync.Mutex       // guards these
	queued  int64            // bytes
	number  int64            // of the entry queued last
	pending int              // entries queued or being written
	removed map[string]int64 // by key: the entries up to that number are not to be written
	closed  bool             // the queue is

	queue chan entry
	ended chan struct{}
}

// entry is a file to be written.
type entry struct {
	number int64
	key    string
	index  int64
	about  string
	data   []byte
}

// folderName is the folder of the cache in the one that the caller names, so that nothing else in that is ever removed.
const folderName = "frostline-cache"

func openDisk(dir string, most int64, root string) (*disk, error) {
	abs, err := filepath.Abs(filepath.Join(dir, folderName))
	if err != nil {
		return nil, fmt.Errorf("folder %q: %w", dir, err)
	}
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return nil, err
	}
	// What stands in it is served as the archive's: a checksum finds what is damaged, not what somebody has put there.
	switch info, err := os.Lstat(abs); {
	case err != nil:
		return nil, err
	case !info.IsDir() || !trusted(info) || info.Mode().Perm()&0o002 != 0:
		return nil, fmt.Errorf("folder %q is not this user's alone, others could put rows into it: remove it, or name another folder", abs)
	}
	probe, err := os.CreateTemp(abs, tempPrefix)
	if err != nil {
		return nil, fmt.Errorf("folder %q cannot be written: %w", dir, err)
	}
	probe.Close()
	if err := os.Remove(probe.Name()); err != nil {
		return nil, err
	}
	d := &disk{dir: abs, root: root, most: most, removed: map[string]int64{}, queue: make(chan entry, queueBytes/blockBytes*4), ended: make(chan struct{})}
	go d.write()
	return d, nil
}

func (d *disk) close() {
	d.mu.Lock()
	if !d.closed {
		d.closed = true
		close(d.queue)
	}
	d.mu.Unlock()
	<-d.ended
}

// folder is where the files of an object stand.
func (d *disk) folder(key string) string {
	sum := xxh3.HashString128(d.root + "\n" + key).Bytes()
	name := hex.EncodeToString(sum[:])
	return filepath.Join(d.dir, name[:2], name)
}

func (d *disk) file(key string, index int64) string {
	return filepath.Join(d.folder(key), strconv.FormatInt(index, 10))
}

func (d *disk) name(key string, index int64) string {
	return d.root + "/" + key + "#" + strconv.FormatInt(index, 10)
}

// get reads a file. One that is damaged is removed.
func (d *disk) get(key string, index int64) (data []byte, about string, ok bool) {
	file := d.file(key, index)
	f, err := os.Open(file)
	if err != nil {
		return nil, "", false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() > wholeBytes+1<<20 {
		return nil, "", false
	}
	b := make([]byte, info.Size())
	if _, err := f.ReadAt(b, 0); err != nil {
		return nil, "", false
	}
	if data, about, err = open(b, d.name(key, index)); err != nil {
		d.failures.Add(1)
		os.Remove(file)
		return nil, "", false
	}
	if now := time.Now(); now.Sub(info.ModTime()) > touchAfter {
		_ = os.Chtimes(file, now, now) // without it the file only looks older than it is
	}
	return data, about, true
}

var errDamaged = errors.New("damaged file of the cache")

// seal makes the content of a file.
func seal(name, about string, data []byte) []byte {
	b := make([]byte, 0, headBytes+len(name)+len(about)+len(data)+sumBytes)
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(name)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(about)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(data)))
	b = append(append(append(b, name...), about...), data...)
	return binary.LittleEndian.AppendUint64(b, xxh3.Hash(b))
}

// open takes the content of a file apart, which must be of that name and whole.
func open(b []byte, name string) (data []byte, about string, err error) {
	if len(b) < headBytes+sumBytes || string(b[:len(magic)]) != magic {
		return nil, "", errDamaged
	}
	body, sum := b[:len(b)-sumBytes], binary.LittleEndian.Uint64(b[len(b)-sumBytes:])
	if xxh3.Hash(body) != sum {
		return nil, "", errDamaged
	}
	lengths := body[len(magic):headBytes]
	n, m := int64(binary.LittleEndian.Uint32(lengths)), int64(binary.LittleEndian.Uint32(lengths[4:]))
	k := int64(binary.LittleEndian.Uint32(lengths[8:]))
	rest := body[headBytes:]
	if n+m+k != int64(len(rest)) || string(rest[:n]) != name {
		return nil, "", errDamaged
	}
	return rest[n+m:], string(rest[n : n+m]), nil
}

// put has data written soon, or not, when much is waiting or the disk is closed. Nobody may change data.
func (d *disk) put(key string, index int64, about string, data []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || d.queued+int64(len(data)) > queueBytes {
		return
	}
	select {
	case d.queue <- entry{d.number + 1, key, index, about, data}:
		d.number++
		d.pending++
		d.queued += int64(len(data))
	default:
	}
}

// remove deletes the files of an object, and keeps what waits from being written.
func (d *disk) remove(key string) {
	d.mu.Lock()
	if d.pending > 0 {
		d.removed[key] = d.number
	}
	d.mu.Unlock()
	os.RemoveAll(d.folder(key))
}

// wasRemoved says whether the object of e was removed after e was queued.
func (d *disk) wasRemoved(e entry) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.removed[e.key] >= e.number
}

// place writes a file under another name and renames it.
func (d *disk) place(e entry) error {
	file := d.file(e.key, e.index)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), tempPrefix)
	if err != nil {
		return err
	}
	_, err = f.Write(seal(d.name(e.key, e.index), e.about, e.data))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// onDisk is what a file of n bytes takes, with its entry in the folder.
func onDisk(n int64) int64 { return (n + 2*4095) &^ 4095 }

// missing says whether err is of a file or folder that another process has removed meanwhile.
func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
