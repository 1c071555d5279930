package load

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	pqfile "github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"golang.org/x/sync/errgroup"

	"frostline/objstore"
)

// chunkBuffer is how much of a column chunk is read ahead; batchBytes bounds what a batch of average rows decodes to.
const (
	chunkBuffer = 1 << 20
	batchBytes  = 16 << 20
)

// hiveNull is how Hive, Spark and Athena write a NULL in the name of a folder.
const hiveNull = "__HIVE_DEFAULT_PARTITION__"

// source is where the files are.
type source struct {
	location string
	store    objstore.Store
	files    []*file
	ignored  []string
	rows     int64
	bytes    int64
}

// file is one Parquet file, as its footer says.
type file struct {
	id      int // position in key order
	key     string
	name    string // for people: below the location
	version string // size and etag or time: another one is another file
	size    int64
	rows    int64
	width   int64 // uncompressed bytes a row
	schema  *arrow.Schema
	hive    map[string]string // column=value of its folders
	geo     map[string]int    // columns of GeoParquet's metadata with their SRID
	done    bool              // loaded, by an earlier run
}

// openSource finds the files of a location, a folder or one file, and reads their footers.
func (l *Loader) openSource(ctx context.Context, location string) (*source, error) {
	if !strings.Contains(location, "://") {
		abs, err := filepath.Abs(location)
		if err != nil || location == "" {
			return nil, fmt.Errorf("load %q: %w: want a path, file:///path or s3://bucket/prefix", location, ErrBadInput)
		}
		location = "file://" + filepath.ToSlash(abs)
	}
	location = strings.TrimRight(location, "/")
	s := &source{location: location}
	scheme, rest, _ := strings.Cut(location, "://")
	dir, base := location, ""
	if i := strings.LastIndexByte(rest, '/'); i > 0 { // the folder above, so that a file can be told from a folder
		dir, base = scheme+"://"+rest[:i], rest[i+1:]
	}
	var err error
	if s.store, err = objstore.Open(ctx, dir, objstore.Options{Region: l.Region}); err != nil {
		return nil, fmt.Errorf("load %q: %w: %w", location, ErrBadInput, err)
	}
	var found []objstore.Object
	if base != "" {
		switch o, err := s.store.Stat(ctx, base); {
		case err == nil:
			found = append(found, o)
		case !errors.Is(err, objstore.ErrNotExist) && scheme != "file": // a folder is no object
			return nil, fmt.Errorf("load %s: %w", location, err)
		}
		base += "/"
	}
	if len(found) == 0 {
		for o, err := range s.store.List(ctx, base) {
			if err != nil {
				return nil, fmt.Errorf("load %s: %w", location, err)
			}
			if o.Size > 0 && !hidden(strings.TrimPrefix(o.Key, base)) {
				found = append(found, o)
			}
		}
	}
	return s, l.footers(ctx, s, base, found)
}

// hidden says that Hive and Spark do not count a file as data: a name of its path starts with _ or a dot.
func hidden(key string) bool {
	for part := range strings.SplitSeq(key, "/") {
		if part == "" || part[0] == '.' || part[0] == '_' && !strings.Contains(part, "=") {
			return true
		}
	}
	return false
}

func (l *Loader) footers(ctx context.Context, s *source, base string, found []objstore.Object) error {
	files := make([]*file, len(found))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(2 * l.Workers)
	for i, o := range found {
		g.Go(func() error {
			name := strings.TrimPrefix(o.Key, base)
			f := &file{key: o.Key, name: name, size: o.Size, hive: hivePath(name),
				version: fmt.Sprintf("%d %s", o.Size, cmp.Or(o.ETag, o.Modified.UTC().Format("20060102T150405.000000000")))}
			err := f.footer(gctx, s.store)
			if errors.Is(err, ErrCorrupt) && !parquetName(o.Key) {
				return nil // a manifest, a .csv: reported as ignored
			}
			if err != nil {
				return fmt.Errorf("load %s: %s: %w; nothing was loaded", s.location, name, err)
			}
			files[i] = f
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, f := range files {
		if f == nil {
			s.ignored = append(s.ignored, strings.TrimPrefix(found[i].Key, base))
			continue
		}
		f.id = len(s.files)
		s.files = append(s.files, f)
		s.rows += f.rows
		s.bytes += f.size
	}
	if len(s.files) == 0 {
		return fmt.Errorf("load %s: %w: no Parquet file is there (%d other files)", s.location, ErrNoSource, len(s.ignored))
	}
	return nil
}

// parquetName says that a file is meant to be Parquet: by its ending, or because it has none, as Athena's have.
func parquetName(key string) bool {
	switch strings.ToLower(path.Ext(key)) {
	case "", ".parquet", ".parq", ".pq":
		return true
	}
	return false
}

// hivePath are the columns that folders like dt=2024-01-01 name.
func hivePath(key string) map[string]string {
	m := map[string]string{}
	parts := strings.Split(key, "/")
	for _, part := range parts[:len(parts)-1] {
		name, value, ok := strings.Cut(part, "=")
		if !ok || name == "" {
			continue
		}
		if plain, err := url.PathUnescape(value); err == nil {
			value = plain
		}
		m[name] = value
	}
	return m
}

func (f *file) footer(ctx context.Context, store objstore.Store) (err error) {
	defer recovered(&err)
	r, _, err := f.open(ctx, store, 1)
	if err != nil {
		return err
	}
	if f.schema, err = r.Schema(); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	meta := r.ParquetReader().MetaData()
	f.rows = meta.GetNumRows()
	var total int64
	for i := range r.ParquetReader().NumRowGroups() {
		total += meta.RowGroup(i).TotalByteSize()
	}
	f.width = total / max(f.rows, 1)
	if geo := meta.KeyValueMetadata().FindValue("geo"); geo != nil {
		f.geo = geoColumns(*geo)
	}
	return nil
}

func (f *file) open(ctx context.Context, store objstore.Store, batchRows int64) (*pqarrow.FileReader, *object, error) {
	props := parquet.NewReaderProperties(memory.DefaultAllocator)
	props.BufferedStreamEnabled, props.BufferSize = true, chunkBuffer
	o := &object{ctx: ctx, store: store, key: f.key, size: f.size}
	r, err := pqfile.NewParquetReader(o, pqfile.WithReadProps(props))
	if err == nil {
		var fr *pqarrow.FileReader
		if fr, err = pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{BatchSize: batchRows}, memory.DefaultAllocator); err == nil {
			return fr, o, nil
		}
	}
	if o.err != nil { // the store's, not the file's
		return nil, nil, o.err
	}
	return nil, nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
}

// recovered turns a panic of the Parquet library, which some damaged files cause, into an error.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%w: %v", ErrCorrupt, r)
	}
}

// scan hands the columns of names to fn, batch by batch; row is the number of the batch's first row, from 1. A column that
// the file lacks is nil.
func (f *file) scan(ctx context.Context, store objstore.Store, names []string, maxRows int, fn func(row int64, columns []arrow.Array) error) (err error) {
	defer recovered(&err)
	n := min(int64(maxRows), max(1, batchBytes/max(f.width, 1)))
	fr, o, err := f.open(ctx, store, n)
	if err != nil {
		return err
	}
	at := make([]int, len(names))
	var fields []int
	for i, name := range names {
		at[i] = -1
		if ids := f.schema.FieldIndices(name); name != "" && len(ids) == 1 {
			at[i] = len(fields)
			fields = append(fields, ids[0])
		}
	}
	var leaves []int // that the library reads
	old := map[int]*int96Column{}
	order := make(map[int]int) // field → position in the batch, which is in the file's order
	for i := range fr.Manifest.Fields {
		for _, id := range fields {
			switch leaf := fr.Manifest.Fields[i].ColIndex; {
			case id != i:
			case isInt96(fr.ParquetReader(), leaf):
				old[id] = &int96Column{r: fr.ParquetReader(), leaf: leaf}
			default:
				order[id] = len(order)
				leaves = appendLeaves(leaves, fr.Manifest.Fields[i])
			}
		}
	}
	checked := slices.Clone(leaves)
	times := make([]*int96Column, len(names))
	for i := range at {
		if at[i] < 0 {
			continue
		}
		id := fields[at[i]]
		if times[i] = old[id]; times[i] != nil {
			at[i], checked = -1, append(checked, times[i].leaf)
			continue
		}
		at[i] = order[id]
	}
	if err := o.checkPages(fr.ParquetReader(), checked); err != nil {
		return err
	}
	// INT96 columns go beside the others, for as many rows.
	outer := fn
	fn = func(row int64, columns []arrow.Array) error {
		rows := 0
		for _, c := range columns {
			if c != nil {
				rows = c.Len()
			}
		}
		for i, c := range times {
			if c == nil {
				continue
			}
			a, err := c.next(rows)
			if err != nil {
				return cmp.Or(o.err, fmt.Errorf("%w: %w", ErrCorrupt, err))
			}
			columns[i] = a
		}
		return outer(row, columns)
	}
	if len(leaves) == 0 { // only columns of folders, and INT96
		return f.blank(n, len(names), fn)
	}
	r, err := fr.GetRecordReader(ctx, leaves, nil)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	defer r.Release()
	row := int64(1)
	columns := make([]arrow.Array, len(names))
	for r.Next() {
		b := r.RecordBatch()
		for i, k := range at {
			if columns[i] = nil; k >= 0 {
				columns[i] = b.Column(k)
			}
		}
		if err := fn(row, columns); err != nil {
			return err
		}
		row += b.NumRows()
	}
	if err := r.Err(); err != nil && !errors.Is(err, io.EOF) {
		if o.err != nil {
			return o.err
		}
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if row-1 != f.rows {
		return fmt.Errorf("%w: the footer says %d rows, %d were read", ErrCorrupt, f.rows, row-1)
	}
	return nil
}

// blank hands on NULLs for a file of which the library reads no column.
func (f *file) blank(n int64, columns int, fn func(int64, []arrow.Array) error) error {
	for row := int64(0); row < f.rows; row += n {
		nulls := make([]arrow.Array, columns)
		for i := range nulls {
			nulls[i] = newNulls(min(n, f.rows-row))
		}
		if err := fn(row+1, nulls); err != nil {
			return err
		}
	}
	return nil
}

func appendLeaves(dst []int, f pqarrow.SchemaField) []int {
	if f.ColIndex >= 0 {
		dst = append(dst, f.ColIndex)
	}
	for _, c := range f.Children {
		dst = appendLeaves(dst, c)
	}
	return dst
}

// object reads one object of a store as a file.
type object struct {
	ctx   context.Context
	store objstore.Store
	key   string
	size  int64
	off   int64
	err   error // the store's last
}

func (o *object) ReadAt(p []byte, off int64) (int, error) {
	n := min(int64(len(p)), o.size-off)
	if n <= 0 {
		return 0, io.EOF
	}
	parts, err := o.store.ReadRanges(o.ctx, o.key, []objstore.Range{{Off: off, Len: n}})
	if err != nil {
		o.err = err
		return 0, err
	}
	copy(p, parts[0])
	if n < int64(len(p)) {
		return int(n), io.EOF
	}
	return int(n), nil
}

func (o *object) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += o.off
	case io.SeekEnd:
		offset += o.size
	}
	if offset < 0 {
		return 0, fmt.Errorf("seek %s: before the start", o.key)
	}
	o.off = offset
	return offset, nil
}
