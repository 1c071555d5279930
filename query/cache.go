package query

import (
	"context"

	"frostline/coltype"
	"frostline/internal/lru"
	"frostline/objstore"
	"frostline/parquetio"
)

// footerCache keeps decoded footers and page indexes of data files by location. Data files never
// change, so nothing in it grows stale.
type footerCache = lru.Cache[footerKey, *parquetio.File]

type footerKey struct {
	location string
	size     int64
}

// keptFile is what the cache itself takes for a file beside its metadata.
const keptFile = 1 << 10

// openFile opens a data file, from the cache where it can. The file counts into st.
func (e *Engine) openFile(ctx context.Context, location string, size int64, open *heldObjects, st *parquetio.Stats) (*parquetio.File, error) {
	key, err := objstore.Key(e.store, location)
	if err != nil {
		return nil, unreadable(location, err)
	}
	o := object{store: e.store, key: key, size: size}
	var src parquetio.Source = o
	if from, ok := e.store.(objstore.Holder); ok {
		src = &local{object: o, from: from, all: open}
	}
	k := footerKey{location, size}
	if f, ok := e.footers.Get(k); ok {
		return f.With(src, st), nil
	}
	f, err := parquetio.Open(ctx, src, parquetio.ReadOptions{Stats: st})
	if err != nil {
		return nil, unreadable(location, err)
	}
	e.footers.Put(k, f.With(nil, nil), f.MemoryBytes()+keptFile) // without this query's source and counters
	return f, nil
}

// object is a data file in the store, whose size the manifest says.
type object struct {
	store objstore.Store
	key   string
	size  int64
}

func (o object) Size() int64 { return o.size }

func (o object) ReadRanges(ctx context.Context, ranges []objstore.Range) ([][]byte, error) {
	return o.store.ReadRanges(ctx, o.key, ranges)
}

// schemaCache keeps the schemas that partitions were archived with.
type schemaCache = lru.Cache[schemaKey, coltype.Schema]

type schemaKey struct {
	uuid string // of the table
	id   int
}

// keptSchemas is how many of them.
const keptSchemas = 4096
