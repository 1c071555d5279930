package query

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"frostline/coltype"
	"frostline/iceberg"
	"frostline/objstore"
)

// Metadata describes an archive path or a table.
type Metadata struct {
	TableUUID  string
	Location   string // of what was asked for
	Columns    []coltype.Column
	Properties map[string]string // of the table; of a partition too when one was asked for
	ArchivedAt time.Time         // of the partition, or the newest of the table; zero without one
	Snapshot   int64
	Partitions []Partition // by name
}

// Partition is one archived partition.
type Partition struct {
	Name       string
	Location   string // its archive path
	Rows       int64
	Files      int
	Bytes      int64
	ArchivedAt time.Time
	Digest     string
}

// Metadata describes what stands at path. NOT NULL is that of the archived partition where one is named.
func (e *Engine) Metadata(ctx context.Context, path string) (*Metadata, error) {
	ctx, cancel := context.WithTimeout(ctx, e.opt.Timeout)
	defer cancel()
	t, err := e.open(ctx, path, 0)
	if err != nil {
		return nil, e.failed(ctx, path, err)
	}
	m, err := e.metadata(ctx, t)
	if err == nil {
		err = e.limit(ctx, t, m)
	}
	if err != nil {
		return nil, e.failed(ctx, path, err)
	}
	return m, nil
}

func (e *Engine) metadata(ctx context.Context, t *target) (*Metadata, error) {
	m := &Metadata{
		TableUUID: t.table.UUID(), Location: t.location, Snapshot: t.table.SnapshotID(),
		Columns: slices.Clone(t.table.Schema().Columns), Properties: map[string]string{},
	}
	for k, v := range t.table.Properties() {
		if !strings.HasPrefix(k, "frostline.") {
			m.Properties[k] = v
		}
	}
	for _, p := range t.table.Partitions() {
		if t.partition != "" && p.Name != t.partition {
			continue
		}
		m.Partitions = append(m.Partitions, Partition{Name: p.Name, Location: e.archivePath(t.table, p.Name), Rows: p.Rows,
			Files: p.Files, Bytes: p.Bytes, ArchivedAt: p.ArchivedAt, Digest: p.Digest})
		if p.ArchivedAt.After(m.ArchivedAt) {
			m.ArchivedAt = p.ArchivedAt
		}
	}
	if t.partition == "" || len(m.Partitions) == 0 {
		return m, nil
	}
	p := m.Partitions[0]
	if _, value, ok := strings.Cut(p.Name, "="); ok {
		m.Properties["source.partition_value"] = value
	}
	m.Properties["archive.timestamp"] = p.ArchivedAt.UTC().Format(time.RFC3339)
	m.Properties["archive.total_records"] = strconv.FormatInt(p.Rows, 10)
	m.Properties["archive.digest"] = p.Digest
	info, err := t.table.Partition(t.partition)
	if err != nil {
		return nil, err
	}
	rec, err := e.catalog.ReadRecord(ctx, t.table, info)
	if err != nil {
		return nil, err
	}
	if len(rec.Schema.Columns) > 0 {
		m.Columns = rec.Schema.Columns
	}
	return m, nil
}

// archivePath is the location of a partition of t.
func (e *Engine) archivePath(t *iceberg.Table, name string) string {
	return t.Location() + "/" + objstore.Segment(name)
}

// Locate is the archive path of partition of the table schema.table: "column=value", or the bare
// value where it names one archived partition.
func (e *Engine) Locate(ctx context.Context, schema, table, partition string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, e.opt.Timeout)
	defer cancel()
	path := objstore.Location(e.store, iceberg.TableKey(schema, table))
	grant, err := e.grant(ctx, schema, table)
	if err != nil {
		return "", e.failed(ctx, path, err)
	}
	t, err := e.catalog.Load(ctx, iceberg.TableKey(schema, table))
	if err != nil {
		return "", e.failed(ctx, path, err)
	}
	var byValue []string
	for _, p := range t.Partitions() {
		if p.Name == partition {
			return e.archivePath(t, p.Name), nil
		}
		if _, value, ok := strings.Cut(p.Name, "="); ok && value == partition {
			byValue = append(byValue, p.Name)
		}
	}
	switch len(byValue) {
	case 1:
		return e.archivePath(t, byValue[0]), nil
	case 0:
		return "", &Error{Code: NotFound, Field: "partitionValue",
			Msg: fmt.Sprintf("partition %q of %s.%s is not archived", partition, schema, table), Hint: meant(partition, partitionNames(t, grant))}
	}
	for i := range byValue {
		byValue[i] = quote(byValue[i])
	}
	return "", badRequest("ambiguous_partition", "partitionValue", "name the column too: "+strings.Join(byValue, " or "),
		"value %q names several archived partitions of %s.%s", partition, schema, table)
}

// CheckWarehouse refuses a bucket or a prefix that is not the configured one; empty ones are the configured.
func (e *Engine) CheckWarehouse(bucket, prefix string) error {
	if bucket == "" && prefix == "" {
		return nil
	}
	outside := func(field, value string) error {
		return &Error{Code: Outside, Field: field, Msg: fmt.Sprintf("%s %q is not the one that this server serves", field, value),
			Hint: "leave bucket and prefix out"}
	}
	u, err := url.Parse(e.store.Root())
	if err != nil || u.Scheme != "s3" {
		if bucket != "" {
			return outside("bucket", bucket)
		}
		return outside("prefix", prefix)
	}
	if bucket != "" && bucket != u.Host {
		return outside("bucket", bucket)
	}
	if prefix != "" && strings.Trim(prefix, "/") != strings.Trim(u.Path, "/") {
		return outside("prefix", prefix)
	}
	return nil
}
