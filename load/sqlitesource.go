package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"frostline/coltype"
	"frostline/digest"
	"frostline/iceberg"
	"frostline/objstore"
	"frostline/parquetio"
	"frostline/pgcopy"
	"frostline/postgres"
)

// liteSource is what SQLite files are made of, an archive or plain Parquet files, in one order of rows.
type liteSource struct {
	location string
	kind     string // "archive" or "parquet"
	name     string // of the table, unless told otherwise
	base     string // of the files
	state    []any  // what another state of the source differs in
	facts    [][2]string
	columns  []liteColumn
	key      []string // primary key, by the source's names
	indexes  []liteIndex
	notes    []string
	ignored  []string
	rows     int64
	snapshot int64
	read     func(ctx context.Context, batchRows int, fn func(*cells) error) error
}

// source finds out what a location is. A folder that is below an Iceberg table is read by the table's metadata, never by
// listing it.
func (s *SQLite) source(ctx context.Context, req SQLiteRequest) (*liteSource, error) {
	location := req.Source
	if !strings.Contains(location, "://") {
		if s.Warehouse != nil { // perhaps a key of the warehouse
			if src, err := s.archived(ctx, s.Warehouse, location, req); !errors.Is(err, errNotArchive) {
				return src, err
			}
		}
		abs, err := filepath.Abs(location)
		if err != nil || location == "" {
			return nil, fmt.Errorf("sqlite of %q: %w: want an archive path, a path, file:///path or s3://bucket/prefix", location, ErrBadInput)
		}
		location = "file://" + filepath.ToSlash(abs)
	}
	location = strings.TrimRight(location, "/")
	stores := []objstore.Store{s.Warehouse}
	for _, up := range []int{3, 2} { // a warehouse that nobody told of: <warehouse>/<schema>/<table>[/<column>=<value>]
		if root := above(location, up); root != "" && (up == 2 || strings.Contains(location[strings.LastIndexByte(location, '/'):], "=")) {
			if store, err := objstore.Open(ctx, root, objstore.Options{Region: s.Region}); err == nil {
				stores = append(stores, store)
			}
		}
	}
	for _, store := range stores {
		if store == nil {
			continue
		}
		if src, err := s.archived(ctx, store, location, req); !errors.Is(err, errNotArchive) {
			return src, err
		}
	}
	if req.Snapshot != 0 {
		return nil, fmt.Errorf("sqlite of %s: %w: it is no archive, and --snapshot is for an archived partition", location, ErrBadInput)
	}
	return s.plainParquet(ctx, location)
}

// above is the location n folders up, "" when there is none.
func above(location string, n int) string {
	scheme, rest, _ := strings.Cut(location, "://")
	for range n {
		i := strings.LastIndexByte(rest, '/')
		if i <= 0 {
			return ""
		}
		rest = rest[:i]
	}
	return scheme + "://" + rest
}

var errNotArchive = errors.New("not an archive")

// archived is the source of an archived partition or table of one warehouse; errNotArchive when the location is neither.
func (s *SQLite) archived(ctx context.Context, store objstore.Store, location string, req SQLiteRequest) (*liteSource, error) {
	catalog := iceberg.NewCatalog(store)
	key, partition, err := catalog.SplitPath(ctx, location)
	if errors.Is(err, objstore.ErrOutside) || errors.Is(err, iceberg.ErrNoTable) {
		return nil, errNotArchive
	}
	var t *iceberg.Table
	if err == nil {
		t, err = catalog.Load(ctx, key)
	}
	if errors.Is(err, iceberg.ErrNoTable) || errors.Is(err, objstore.ErrUnreachable) && store != s.Warehouse {
		return nil, errNotArchive
	}
	if err != nil {
		return nil, fmt.Errorf("sqlite of %s: %w", location, err)
	}
	a := &liteArchive{store: store, table: t}
	src := &liteSource{kind: "archive", location: t.Location(), read: a.read}
	if err := a.open(ctx, catalog, src, partition, req.Snapshot); err != nil {
		return nil, fmt.Errorf("sqlite of %s: %w", location, err)
	}
	return src, nil
}

// liteArchive reads archived partitions by their records, and proves them equal to what was archived.
type liteArchive struct {
	store   objstore.Store
	table   *iceberg.Table
	records []*iceberg.Record
	columns []liteColumn
}

func (a *liteArchive) open(ctx context.Context, catalog *iceberg.Catalog, src *liteSource, partition string, snapshot int64) error {
	t := a.table
	parts, columns := t.Partitions(), t.Schema().Columns
	switch {
	case partition != "" && snapshot != 0:
		r, p, err := catalog.ReadRecordAt(ctx, t, partition, snapshot)
		if err != nil {
			return err
		}
		a.records, parts = []*iceberg.Record{r}, []iceberg.Partition{p}
	case snapshot != 0:
		return fmt.Errorf("%w: --snapshot is for one partition; name it", ErrBadInput)
	case partition != "":
		p, err := t.Partition(partition)
		if err != nil {
			return err
		}
		parts = []iceberg.Partition{p}
	}
	for _, p := range parts[len(a.records):] {
		r, err := catalog.ReadRecord(ctx, t, p)
		if err != nil {
			return err
		}
		a.records = append(a.records, r)
	}
	props := t.Properties()
	src.name, src.base = props["source.table"], objstore.Segment(props["source.table"])
	src.state = []any{t.UUID()}
	for _, r := range a.records {
		src.rows += r.Rows
		src.state = append(src.state, r.Partition, r.RunID, r.Digest)
	}
	src.facts = [][2]string{{"source_table", props["source.schema"] + "." + props["source.table"]}, {"table_uuid", t.UUID()}}
	if len(parts) == 1 && partition != "" {
		r := a.records[0]
		src.location = objstore.Location(a.store, iceberg.PartitionKey(r.SourceTable.Schema, r.SourceTable.Table, r.Partition))
		src.name, columns, src.snapshot = r.SourceTable.Table, r.Schema.Columns, r.SnapshotID
		src.base = objstore.Segment(src.name) + "-" + objstore.Segment(r.Partition)
		src.facts = append(src.facts, [2]string{"partition", r.Partition}, [2]string{"run_id", r.RunID}, [2]string{"snapshot_id", fmt.Sprint(r.SnapshotID)}, [2]string{"archive_digest", r.Digest})
	} else {
		src.snapshot = t.SnapshotID()
		src.facts = append(src.facts, [2]string{"partitions", fmt.Sprint(len(a.records))}, [2]string{"snapshot_id", fmt.Sprint(t.SnapshotID())})
		columns = a.allColumns(columns)
	}
	for _, c := range columns {
		field := c.ArrowField()
		lc := newLiteColumn(c.Name, c.Type.Name, field.Type)
		lc.field, lc.notNull = c.FieldID, c.NotNull && partition != ""
		src.columns = append(src.columns, lc)
	}
	if err := nameColumns(src.columns); err != nil {
		return err
	}
	a.columns = src.columns
	return a.keys(src, partition != "")
}

// allColumns are the table's columns, and those that only older partitions have: a column whose type became another one is a new
// field, and the current schema lacks the old.
func (a *liteArchive) allColumns(columns []coltype.Column) []coltype.Column {
	all := slices.Clone(columns)
	for _, r := range a.records {
		for _, c := range r.Schema.Columns {
			if !slices.ContainsFunc(all, func(x coltype.Column) bool { return x.FieldID == c.FieldID }) {
				all = append(all, c)
			}
		}
	}
	return all
}

// keys takes the primary key and the indexes over from the record. Rows of several partitions may have a key twice.
func (a *liteArchive) keys(src *liteSource, one bool) error {
	if len(a.records) == 0 {
		return nil
	}
	r := a.records[len(a.records)-1]
	def := &postgres.Definition{}
	if err := json.Unmarshal(r.Definition, def); err != nil {
		return fmt.Errorf("record of %s: definition: %w", r.Partition, err)
	}
	if one {
		src.key = r.PrimaryKey
	}
	for _, x := range def.Indexes {
		if x.ConstraintType == "p" && one {
			continue
		}
		index, why := newLiteIndex(x, src.columns)
		if why != "" {
			src.notes = append(src.notes, fmt.Sprintf("index %s is left out: %s", x.Name, why))
			continue
		}
		index.unique = index.unique && one
		src.indexes = append(src.indexes, index)
	}
	if !one && len(r.PrimaryKey) > 0 {
		src.notes = append(src.notes, "keys are plain indexes: rows of several partitions may have one twice")
	}
	return nil
}

func (a *liteArchive) read(ctx context.Context, batchRows int, fn func(*cells) error) error {
	for _, r := range a.records {
		if err := a.partition(ctx, r, batchRows, fn); err != nil {
			if errors.Is(err, parquetio.ErrCorrupt) || errors.Is(err, objstore.ErrCorrupt) || errors.Is(err, objstore.ErrNotExist) {
				err = fmt.Errorf("%w; the archive is damaged, bring the file back from a copy or an older version of the object", err)
			}
			return fmt.Errorf("%s: %w", r.Partition, err)
		}
	}
	return nil
}

func (a *liteArchive) partition(ctx context.Context, r *iceberg.Record, batchRows int, fn func(*cells) error) error {
	want, err := digest.Parse(r.Digest)
	if err != nil {
		return err
	}
	enc, err := pgcopy.NewEncoder(r.Schema)
	if err != nil {
		return err
	}
	at := make([]int, len(a.columns)) // position in the partition's schema
	names := map[string]int{}         // column of the side column's keys
	for i, c := range a.columns {
		at[i] = -1
		for k, rc := range r.Schema.Columns {
			if rc.FieldID == c.field {
				at[i], names[rc.Name] = k, i
			}
		}
	}
	for _, f := range r.Files {
		file, err := parquetio.Open(ctx, parquetio.StoreSource(a.store, a.table.Key()+"/"+f.Path, f.Bytes), parquetio.ReadOptions{})
		if err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
		for rg := range file.RowGroups() {
			for b, err := range file.Scan(ctx, rg, r.Schema, batchRows) {
				if err == nil {
					err = enc.DigestBatch(b)
				}
				if err != nil {
					return fmt.Errorf("%s: %w", f.Path, err)
				}
				c, err := a.batch(b, at, names)
				if err != nil {
					return fmt.Errorf("%s: row group %d: %w", f.Path, rg, err)
				}
				if err := fn(c); err != nil {
					return err
				}
			}
		}
	}
	if got := enc.Digest(); got != want {
		return fmt.Errorf("%w: its files have the digest %s, the record says %s", ErrProof, got, want)
	}
	return nil
}

// batch encodes one batch; cells of the side column stand as their exact text.
func (a *liteArchive) batch(b arrow.RecordBatch, at []int, names map[string]int) (*cells, error) {
	arrays := make([]arrow.Array, len(at))
	for i, k := range at {
		if k >= 0 {
			arrays[i] = b.Column(k)
		}
	}
	side, _ := b.Column(int(b.NumCols()) - 1).(*array.Map)
	var exact func(row int) map[int]string
	if side != nil && side.NullN() < side.Len() {
		keys, items := side.Keys().(*array.String), side.Items().(*array.String)
		exact = func(row int) map[int]string {
			if side.IsNull(row) {
				return nil
			}
			from, to := side.ValueOffsets(row)
			m := map[int]string{}
			for k := int(from); k < int(to); k++ {
				if i, ok := names[keys.Value(k)]; ok {
					m[i] = items.Value(k)
				}
			}
			return m
		}
	}
	return encodeCells(a.columns, arrays, int(b.NumRows()), exact)
}

// plainParquet is the source of Parquet files of anyone.
func (s *SQLite) plainParquet(ctx context.Context, location string) (*liteSource, error) {
	l := &Loader{Region: s.Region}
	l.defaults()
	files, err := l.openSource(ctx, location)
	if err != nil {
		return nil, err
	}
	for _, name := range files.ignored {
		if path.Base(name) == "schema_snapshot.json" || path.Base(path.Dir(name)) == "metadata" && strings.HasSuffix(name, ".metadata.json") {
			return nil, fmt.Errorf("sqlite of %s: %w: it has %s, so it is an archive, and which of its files count stands in the table's metadata; name a partition or a table of it", location, ErrBadInput, name)
		}
	}
	src := &liteSource{location: files.location, kind: "parquet", rows: files.rows, ignored: files.ignored}
	src.name = path.Base(files.location)
	if ext := path.Ext(src.name); ext != "" && parquetName(src.name) {
		src.name = strings.TrimSuffix(src.name, ext)
	}
	src.base = objstore.Segment(src.name)
	for _, f := range files.files {
		src.state = append(src.state, f.name, f.version)
	}
	src.facts = [][2]string{{"files", fmt.Sprint(len(files.files))}}
	columns, err := files.columns()
	if err == nil {
		src.columns, err = files.liteColumns(columns)
	}
	if err != nil {
		return nil, fmt.Errorf("sqlite of %s: %w", location, err)
	}
	src.read = func(ctx context.Context, batchRows int, fn func(*cells) error) error {
		names := make([]string, len(src.columns))
		for i, c := range src.columns {
			if !c.hive {
				names[i] = c.source
			}
		}
		for _, f := range files.files {
			err := f.scan(ctx, files.store, names, batchRows, func(row int64, arrays []arrow.Array) error {
				n := 0
				for _, a := range arrays {
					if a != nil {
						n = a.Len()
					}
				}
				for i, c := range src.columns {
					if value, ok := f.hive[c.source]; c.hive && ok && value != hiveNull {
						arrays[i] = repeated(c, value, n)
					}
				}
				c, err := encodeCells(src.columns, arrays, n, nil)
				if err != nil {
					return fmt.Errorf("%w (rows are counted from %d)", err, row)
				}
				return fn(c)
			})
			if err != nil {
				return fmt.Errorf("%s: %w", f.name, err)
			}
		}
		return nil
	}
	return src, nil
}

// mapping is the columns as the result shows them.
func (src *liteSource) mapping() []Mapping {
	list := make([]Mapping, len(src.columns))
	for i, c := range src.columns {
		list[i] = Mapping{Source: c.source, SourceType: c.sourceType, Target: c.name, TargetType: c.declared, Note: c.note}
	}
	return list
}
