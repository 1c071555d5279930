// Package cachestore wraps a Store with a cache of objects that never change: blocks of data files in memory and on a local
// disk, and manifests, table metadata and records on the disk.
//
// What is cached is known by its name. Data files (*.parquet), manifests and manifest lists (metadata/*.avro) and the records of
// runs (schema_snapshot-<run>.json) have names that are never used twice. A metadata version (metadata/vN.metadata.json) has the
// name of another where a table was removed and made anew: the disk's copy is used after a Stat that shows the same object.
// Version hints, listings, Stat and all else go to the store below each time, so a new commit is seen at once. What is written or
// deleted through the wrapper leaves the cache; data files that another process deletes may still be read from it.
//
// Data files are cut into blocks of 128 KiB. Readers that want one block at the same time fetch it once; when the one that fetches
// is cancelled another goes on. Missing blocks that are near each other are one request, and what lies between is kept too.
//
// The folder may be used by several processes at once, and killed ones leave nothing that harms: a file is written under another
// name and renamed, and its content has a checksum, which a torn or damaged file fails. Such a file is removed and the store below is
// asked. When the disk is full or fails there is no caching for a while, and no error. The folder holds archived data as it is in
// the store, unencrypted: it is made with mode 0700.
//
// A Store serves many goroutines. Close ends the writing to disk; whoever still reads then is served, and nothing more is kept there.
package cachestore

import (
	"context"
	"fmt"
	"io"
	"iter"
	"path"
	"strings"
	"sync"
	"sync/atomic"

	"frostline/objstore"
)

// Options bound the cache.
type Options struct {
	MemoryBytes int64  // blocks of data files in memory; 0 keeps none
	Dir         string // the cache on disk is in a folder "frostline-cache" of this one, made where missing; "" for none
	DiskBytes   int64  // what that may hold, of all processes together; with Dir at least 16 MiB
}

const leastDisk = 16 << 20

// Stats count since the store was opened.
type Stats struct {
	MemoryHits  int64 // blocks found in memory, or fetched by another reader meanwhile
	DiskHits    int64 // blocks and whole objects found on disk
	Misses      int64 // blocks and whole objects asked of the store below
	MemoryBytes int64 // in memory now
	DiskErrors  int64 // files that could not be written, or were damaged
}

// Store is a cache before another Store.
type Store struct {
	below objstore.Store
	o     Options
	disk  *disk // nil without
	class func(key string) class

	mu      sync.Mutex // guards these
	memory  memory
	flights map[blockID]*flight
	extents map[string]int64 // the least size that an object is known to have
	writes  int64            // through this store; what was read before one is not kept after it

	memoryHits, diskHits, misses atomic.Int64
}

var _ objstore.Store = (*Store)(nil)

// Wrap returns s behind a cache. The error is of a folder that cannot be made or written.
func Wrap(s objstore.Store, o Options) (*Store, error) {
	if o.MemoryBytes < 0 || o.Dir != "" && o.DiskBytes < leastDisk {
		return nil, fmt.Errorf("cache of %s: %d bytes of memory and %d of disk; the one cannot be below 0, the other not below %d",
			s.Root(), o.MemoryBytes, o.DiskBytes, leastDisk)
	}
	c := &Store{below: s, o: o, class: classOf, memory: newMemory(o.MemoryBytes), flights: map[blockID]*flight{}, extents: map[string]int64{}}
	if o.Dir != "" {
		d, err := openDisk(o.Dir, o.DiskBytes, s.Root())
		if err != nil {
			return nil, fmt.Errorf("cache of %s: %w", s.Root(), err)
		}
		c.disk = d
	}
	return c, nil
}

// Close waits until what is to be written to disk is written. What is read after it is not kept on disk.
func (s *Store) Close() error {
	if s.disk != nil {
		s.disk.close()
	}
	return nil
}

// Stats are the counts so far.
func (s *Store) Stats() Stats {
	st := Stats{MemoryHits: s.memoryHits.Load(), DiskHits: s.diskHits.Load(), Misses: s.misses.Load()}
	s.mu.Lock()
	st.MemoryBytes = s.memory.bytes
	s.mu.Unlock()
	if s.disk != nil {
		st.DiskErrors = s.disk.failures.Load()
	}
	return st
}

// class is how an object may be cached.
type class int

const (
	never   class = iota
	blocks        // ranges of it
	whole         // as a whole
	version       // as a whole, when a Stat shows the same object
)

func classOf(key string) class {
	folder, name := path.Split(key)
	switch {
	case strings.HasSuffix(name, ".parquet"):
		return blocks
	case strings.HasSuffix(folder, "/metadata/") && strings.HasSuffix(name, ".avro"):
		return whole
	case strings.HasPrefix(name, "schema_snapshot-") && strings.HasSuffix(name, ".json"):
		return whole
	case strings.HasSuffix(folder, "/metadata/") && strings.HasPrefix(name, "v") && strings.HasSuffix(name, ".metadata.json"):
		return version
	}
	return never
}

// forget drops what is cached of the keys.
func (s *Store) forget(keys ...string) {
	s.mu.Lock()
	s.writes++
	for _, key := range keys {
		if s.class(key) == blocks {
			s.memory.remove(key)
			delete(s.extents, key)
		}
	}
	s.mu.Unlock()
	if s.disk != nil {
		for _, key := range keys {
			if s.class(key) != never {
				s.disk.remove(key)
			}
		}
	}
}

// Root implements objstore.Store.
func (s *Store) Root() string { return s.below.Root() }

// Put implements objstore.Store.
func (s *Store) Put(ctx context.Context, key string, r io.Reader) (objstore.Object, error) {
	defer s.forget(key)
	return s.below.Put(ctx, key, r)
}

// Create implements objstore.Store.
func (s *Store) Create(ctx context.Context, key string, data []byte) error {
	defer s.forget(key)
	return s.below.Create(ctx, key, data)
}

// Delete implements objstore.Store.
func (s *Store) Delete(ctx context.Context, keys ...string) error {
	defer s.forget(keys...)
	return s.below.Delete(ctx, keys...)
}

// Stat implements objstore.Store.
func (s *Store) Stat(ctx context.Context, key string) (objstore.Object, error) {
	return s.below.Stat(ctx, key)
}

// List implements objstore.Store.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[objstore.Object, error] {
	return s.below.List(ctx, prefix)
}

// Probe implements objstore.Store.
func (s *Store) Probe(ctx context.Context) error { return s.below.Probe(ctx) }
