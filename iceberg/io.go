package iceberg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"
	"time"

	icegoio "github.com/apache/iceberg-go/io"

	"frostline/objstore"
)

// storeIO is iceberg-go's file access over a Store, for one operation: it carries that operation's context
// and remembers what was written, so that the leftovers of a lost race can be removed. Metadata objects are small
// and are read and written whole.
type storeIO struct {
	ctx   context.Context
	store objstore.Store

	mu      sync.Mutex
	written []string // keys
	unread  bool     // an object could not be read
}

var _ icegoio.ReadFileIO = (*storeIO)(nil)

func (s *storeIO) key(name string) (string, error) { return objstore.Key(s.store, name) }

// ReadFile reads an object whole.
func (s *storeIO) ReadFile(name string) ([]byte, error) {
	key, err := s.key(name)
	if err != nil {
		return nil, err
	}
	data, _, err := readObject(s.ctx, s.store, key)
	if err != nil {
		s.mu.Lock()
		s.unread = true
		s.mu.Unlock()
	}
	return data, err
}

// corrupt marks an error of decoding what was read; an error of reading stays the store's.
func (s *storeIO) corrupt(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unread || errors.Is(err, ErrCorrupt) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, err)
}

// readObject reads an object whole.
func readObject(ctx context.Context, store objstore.Store, key string) ([]byte, objstore.Object, error) {
	r, o, err := store.Get(ctx, key)
	if err != nil {
		return nil, o, err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, o, fmt.Errorf("read %s: %w", objstore.Location(store, key), err)
	}
	return data, o, nil
}

// Open reads an object whole and gives it as a file.
func (s *storeIO) Open(name string) (icegoio.File, error) {
	data, err := s.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return &memFile{Reader: bytes.NewReader(data), name: name}, nil
}

// Remove deletes an object.
func (s *storeIO) Remove(name string) error {
	key, err := s.key(name)
	if err != nil {
		return err
	}
	return s.store.Delete(s.ctx, key)
}

// WriteFile puts an object.
func (s *storeIO) WriteFile(name string, p []byte) error {
	key, err := s.key(name)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.written = append(s.written, key)
	s.mu.Unlock()
	_, err = s.store.Put(s.ctx, key, bytes.NewReader(p))
	return err
}

// discard removes what was written; an object that cannot be removed is only left over.
func (s *storeIO) discard() {
	s.mu.Lock()
	keys := slices.Clone(s.written)
	s.mu.Unlock()
	if len(keys) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), 10*time.Second)
	defer cancel()
	_ = s.store.Delete(ctx, keys...)
}

type memFile struct {
	*bytes.Reader
	name string
}

func (f *memFile) Close() error               { return nil }
func (f *memFile) Stat() (fs.FileInfo, error) { return memInfo{f}, nil }

type memInfo struct{ f *memFile }

func (i memInfo) Name() string       { return i.f.name }
func (i memInfo) Size() int64        { return i.f.Reader.Size() }
func (i memInfo) Mode() fs.FileMode  { return 0o444 }
func (i memInfo) ModTime() time.Time { return time.Time{} }
func (i memInfo) IsDir() bool        { return false }
func (i memInfo) Sys() any           { return nil }
