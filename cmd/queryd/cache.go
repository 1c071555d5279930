package main

import (
	"fmt"
	"strings"

	"frostline/internal/cli"
	"frostline/objstore"
	"frostline/objstore/cachestore"
)

// caching are the flags of the cache between the warehouse and the queries.
type caching struct {
	CacheMemory int64  `help:"Bytes of memory for blocks of data files on S3; 0 keeps none." default:"134217728" env:"QUERYD_CACHE_MEMORY" placeholder:"BYTES"`
	CacheDir    string `help:"Folder for a cache on disk of data files and metadata, which other queryds may share. It holds archived data." type:"path" env:"QUERYD_CACHE_DIR" placeholder:"FOLDER"`
	CacheBytes  int64  `help:"Bytes that the cache on disk may hold." default:"10737418240" env:"QUERYD_CACHE_BYTES" placeholder:"BYTES"`
}

// before puts the cache before store; done ends it. A local warehouse has none, unless a folder is named: the operating system
// keeps its files in memory.
func (c caching) before(store objstore.Store) (cached objstore.Store, done func(), err error) {
	o := cachestore.Options{MemoryBytes: c.CacheMemory, Dir: c.CacheDir, DiskBytes: c.CacheBytes}
	if c.CacheDir == "" && (c.CacheMemory == 0 || !strings.HasPrefix(store.Root(), "s3://")) {
		return store, func() {}, nil
	}
	s, err := cachestore.Wrap(store, o)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	return s, func() { s.Close() }, nil
}
