package main

import (
	"fmt"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

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

// before puts the cache before store; done ends it, and collectors show how it goes. A local warehouse has none, unless a folder
// is named: the operating system keeps its files in memory.
func (c caching) before(store objstore.Store) (cached objstore.Store, done func(), collectors []prometheus.Collector, err error) {
	o := cachestore.Options{MemoryBytes: c.CacheMemory, Dir: c.CacheDir, DiskBytes: c.CacheBytes}
	if c.CacheDir == "" && (c.CacheMemory == 0 || !strings.HasPrefix(store.Root(), "s3://")) {
		return store, func() {}, nil, nil
	}
	s, err := cachestore.Wrap(store, o)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	return s, func() { s.Close() }, cacheMetrics(s), nil
}

// cacheMetrics are the counts of a cache.
func cacheMetrics(s *cachestore.Store) []prometheus.Collector {
	found := func(where string, count func(cachestore.Stats) int64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "archive_query_cache_blocks", ConstLabels: prometheus.Labels{"found": where},
			Help: "Blocks of data files, and metadata objects, by where they were found."}, func() float64 { return float64(count(s.Stats())) })
	}
	return []prometheus.Collector{
		found("memory", func(st cachestore.Stats) int64 { return st.MemoryHits }),
		found("disk", func(st cachestore.Stats) int64 { return st.DiskHits }),
		found("store", func(st cachestore.Stats) int64 { return st.Misses }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "archive_query_cache_memory_bytes", Help: "Blocks in memory now."},
			func() float64 { return float64(s.Stats().MemoryBytes) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "archive_query_cache_disk_errors", Help: "Files of the cache that could not be written, or were damaged."},
			func() float64 { return float64(s.Stats().DiskErrors) }),
	}
}
