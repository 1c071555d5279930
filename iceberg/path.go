package iceberg

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"frostline/objstore"
)

// TableKey is the key of a table's folder in the warehouse.
func TableKey(schema, table string) string {
	return objstore.Segment(schema) + "/" + objstore.Segment(table)
}

// PartitionKey is the key of an archive path: TableKey and "<column>=<value>".
func PartitionKey(schema, table, partition string) string {
	return TableKey(schema, table) + "/" + objstore.Segment(partition)
}

// PartitionName is "<column>=<value>", as it stands in the JSON results and in properties.
func PartitionName(column, value string) string { return column + "=" + value }

// SplitPath takes a location or key of an archive path or of a table apart: the table's key and the
// partition name, "" when the location is the table's own. It accepts "s3://…", "file:///…", a plain file path
// below a local warehouse, and a key relative to the warehouse; slashes at the end are ignored, and names may stand
// encoded or as they are. The partition name is the table's own for that segment. Whether the partition exists is
// not looked at. ErrOutside as objstore.Key; ErrNoTable for a location that is neither form.
func (c *Catalog) SplitPath(ctx context.Context, location string) (tableKey, partition string, err error) {
	tableKey, segment, err := c.splitSegments(location)
	if err != nil || segment == "" {
		return tableKey, "", err
	}
	t, err := c.Load(ctx, tableKey)
	if err != nil && !errors.Is(err, ErrNoTable) {
		return "", "", err
	}
	return tableKey, t.partitionNamed(segment), nil
}

// Find is SplitPath and Load in one: the newest version of the table of a location, and the partition name. A warm one asks
// the store twice, at once, and reads nothing.
func (c *Catalog) Find(ctx context.Context, location string) (t *Table, partition string, err error) {
	tableKey, segment, err := c.splitSegments(location)
	if err != nil {
		return nil, "", err
	}
	t, err = c.Load(ctx, tableKey)
	if err != nil || segment == "" {
		return t, "", err
	}
	return t, t.partitionNamed(segment), nil
}

// partitionNamed is the name of the partition whose archive path has that segment; t may be nil.
func (t *Table) partitionNamed(segment string) string {
	name := decodedSegment(segment)
	if t == nil || objstore.Segment(name) == segment { // no other name has this segment
		return name
	}
	for _, p := range t.parts {
		if objstore.Segment(p.Name) == segment {
			return p.Name
		}
	}
	return name
}

// splitSegments takes a location apart: the table's key, and the segment of the partition, "" without one.
func (c *Catalog) splitSegments(location string) (tableKey, segment string, err error) {
	key, err := c.relative(location)
	if err != nil {
		return "", "", err
	}
	parts := strings.Split(key, "/")
	for i, p := range parts {
		if p == "" {
			return "", "", fmt.Errorf("split %s: an empty path segment: %w", location, ErrNoTable)
		}
		parts[i] = encodedSegment(p)
	}
	switch {
	case len(parts) == 2:
		return parts[0] + "/" + parts[1], "", nil
	case len(parts) == 3 && strings.Contains(parts[2], "="):
	default:
		return "", "", fmt.Errorf("split %s: want <warehouse>/<schema>/<table> or <warehouse>/<schema>/<table>/<column>=<value>: %w",
			location, ErrNoTable)
	}
	return parts[0] + "/" + parts[1], parts[2], nil
}

// relative is location as a key below the warehouse, without slashes at its end.
func (c *Catalog) relative(location string) (string, error) {
	trimmed := strings.TrimRight(location, "/")
	root := c.store.Root()
	if dir, ok := strings.CutPrefix(root, "file://"); ok && strings.HasPrefix(trimmed, "/") {
		trimmed = "file://" + trimmed
		root = "file://" + dir
	}
	if strings.Contains(trimmed, "://") {
		return objstore.Key(c.store, trimmed)
	}
	parts := strings.Split(trimmed, "/")
	if trimmed == "" || strings.HasPrefix(trimmed, "/") || slices.Contains(parts, ".") || slices.Contains(parts, "..") {
		return "", fmt.Errorf("location %q is not below the warehouse %s: %w", location, root, objstore.ErrOutside)
	}
	return trimmed, nil
}

// encodedSegment is p when it is a segment that objstore.Segment can have written, and else p encoded.
func encodedSegment(p string) string {
	if decoded := decodedSegment(p); objstore.Segment(decoded) == p {
		return p
	}
	return objstore.Segment(p)
}

// decodedSegment undoes objstore.Segment: ".XX" becomes its byte.
func decodedSegment(seg string) string {
	if seg == ".empty" {
		return ""
	}
	var b strings.Builder
	for i := 0; i < len(seg); i++ {
		if seg[i] == '.' && i+2 < len(seg) {
			hi, lo := hexDigit(seg[i+1]), hexDigit(seg[i+2])
			if hi >= 0 && lo >= 0 {
				b.WriteByte(byte(hi<<4 | lo))
				i += 2
				continue
			}
		}
		b.WriteByte(seg[i])
	}
	return b.String()
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// TableAt is the table that location, of a table or an archive path, would be of; nothing is read.
func (c *Catalog) TableAt(location string) (schema, table string, err error) {
	key, _, err := c.splitSegments(location)
	if err != nil {
		return "", "", err
	}
	schema, table, _ = strings.Cut(key, "/")
	return decodedSegment(schema), decodedSegment(table), nil
}
