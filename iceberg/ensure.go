package iceberg

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	icego "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"frostline/coltype"
	"frostline/objstore"
)

// Ensure creates the table, or evolves it to hold Columns: new ones are added, missing ones stay for the old
// files, int→long, float→double and wider decimals are promoted, a rename (same AttNum) is a rename. Any other
// change keeps the old field in the older schemas and adds a new one under the name. It returns the loaded table, whose
// Schema has the ids. Nothing is written when the table is as it should be. The partitioning is that of the
// table's creation.
func (c *Catalog) Ensure(ctx context.Context, spec TableSpec) (*Table, error) {
	key := TableKey(spec.Schema, spec.Table)
	cols := slices.Clone(spec.Columns)
	if slices.ContainsFunc(cols, func(c coltype.Column) bool { return c.FieldName == "" }) {
		coltype.NameFields(cols)
	}
	for try := range raceLimit {
		version, data, t, err := c.nextShape(ctx, key, spec, cols)
		if err != nil {
			return nil, fmt.Errorf("ensure table %s.%s: %w", spec.Schema, spec.Table, err)
		}
		if data == nil {
			return t, nil
		}
		next, err := openTable(c.store, key, version, data) // what is published can be read
		if err != nil {
			return nil, fmt.Errorf("ensure table %s.%s: %w", spec.Schema, spec.Table, err)
		}
		err = c.publish(ctx, key, version, data)
		switch {
		case err == nil:
			c.writeHint(ctx, key, version)
			return next, nil
		case !errors.Is(err, errLostRace):
			return nil, fmt.Errorf("ensure table %s.%s: %w", spec.Schema, spec.Table, err)
		}
		pause(ctx, try, 0)
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("ensure table %s.%s: %w", spec.Schema, spec.Table, err)
		}
	}
	return nil, fmt.Errorf("ensure table %s.%s: lost to %d other commits; nothing was changed", spec.Schema, spec.Table, raceLimit)
}

// nextShape is the metadata version that makes the table what spec asks for; no data when t is that already.
func (c *Catalog) nextShape(ctx context.Context, key string, spec TableSpec, cols []coltype.Column) (version int, data []byte, t *Table, err error) {
	t, err = c.Load(ctx, key)
	if errors.Is(err, ErrNoTable) {
		data, err = newTable(objstore.Location(c.store, key), spec, cols)
		return 1, data, nil, err
	}
	if err != nil {
		return 0, nil, nil, err
	}
	data, err = evolved(t, cols, spec.Properties)
	return t.version + 1, data, t, err
}

// newTable is the metadata of version 1.
func newTable(location string, spec TableSpec, cols []coltype.Column) ([]byte, error) {
	s := coltype.Schema{Columns: slices.Clone(cols)}
	for i := range s.Columns {
		s.Columns[i].FieldID, s.Columns[i].ElemID = 0, 0
	}
	assignIDs(&s, 0)
	sc, err := icebergSchema(0, s)
	if err != nil {
		return nil, err
	}
	// NewMetadata numbers the fields anew, always in this way: numbering them first makes the ids known before the
	// properties are written.
	if sc, err = icego.AssignFreshSchemaIDs(sc, nil); err != nil {
		return nil, err
	}
	if err := readIDs(&s, sc); err != nil {
		return nil, err
	}
	partition, err := icebergSpec(spec.Partition, s)
	if err != nil {
		return nil, err
	}
	props, err := schemaProperties(s, sc)
	if err != nil {
		return nil, err
	}
	for k, v := range spec.Properties {
		if _, ours := props[k]; !ours {
			props[k] = v
		}
	}
	props[table.PropertyFormatVersion] = "2"
	meta, err := table.NewMetadata(sc, partition, table.UnsortedSortOrder, location, props)
	if err != nil {
		return nil, err
	}
	back := s
	back.Columns = slices.Clone(s.Columns)
	if err := readIDs(&back, meta.CurrentSchema()); err != nil {
		return nil, err
	}
	for i, c := range back.Columns {
		if c.FieldID != s.Columns[i].FieldID || c.ElemID != s.Columns[i].ElemID {
			return nil, fmt.Errorf("column %q: field id %d was asked for, the table has %d", c.Name, s.Columns[i].FieldID, c.FieldID)
		}
	}
	return json.Marshal(meta)
}

// schemaProperties are the properties that follow from the schema. The name mapping serves engines that read
// Parquet columns by name.
func schemaProperties(s coltype.Schema, sc *icego.Schema) (icego.Properties, error) {
	cols, err := json.Marshal(s.Columns)
	if err != nil {
		return nil, err
	}
	mapping, err := json.Marshal(sc.NameMapping())
	if err != nil {
		return nil, err
	}
	return icego.Properties{propColumns: string(cols), table.DefaultNameMappingKey: string(mapping)}, nil
}

// evolved is the metadata of the next version with cols and props; nil when t has them already.
func evolved(t *Table, cols []coltype.Column, props map[string]string) ([]byte, error) {
	s, err := mergeColumns(t, cols)
	if err != nil {
		return nil, err
	}
	assignIDs(&s, t.meta.LastColumnID())
	old := t.sc
	sc, err := icebergSchema(old.ID, s)
	if err != nil {
		return nil, err
	}
	want, err := schemaProperties(s, sc)
	if err != nil {
		return nil, err
	}
	for k, v := range props {
		if _, ours := want[k]; !ours {
			want[k] = v
		}
	}
	maps.DeleteFunc(want, func(k, v string) bool { return t.props[k] == v && v != "" })
	var updates []table.Update
	if !sc.Equals(old) {
		updates = append(updates, table.NewAddSchemaUpdate(sc), table.NewSetCurrentSchemaUpdate(-1))
	}
	if len(want) > 0 {
		updates = append(updates, table.NewSetPropertiesUpdate(want))
	}
	if len(updates) == 0 {
		return nil, nil
	}
	meta, err := table.UpdateTableMetadata(t.meta, updates, t.MetadataLocation())
	if err != nil {
		return nil, err
	}
	return json.Marshal(meta)
}

// mergeColumns is the schema of t with cols: cols in their order, with the field ids of the old columns that they
// are, then the old columns that the source has no longer (AttNum 0). An old column whose name a new column has
// taken is left out; the older schemas still have it.
func mergeColumns(t *Table, cols []coltype.Column) (coltype.Schema, error) {
	old := t.schema.Columns
	match := matchColumns(old, cols)
	s := t.schema
	s.Columns = nil
	kept := map[int]bool{}
	for i, c := range cols {
		c.FieldID, c.ElemID = 0, 0
		if j := match[i]; j >= 0 && promoted(old[j].Type, c.Type) {
			c.FieldID, c.ElemID = old[j].FieldID, old[j].ElemID
			if c.Name == old[j].Name {
				c.FieldName = old[j].FieldName
			}
			kept[j] = true
		}
		s.Columns = append(s.Columns, c)
	}
	coltype.NameFields(s.Columns)
	live := s.Columns
	for j, c := range old {
		if kept[j] {
			continue
		}
		if i := slices.IndexFunc(live, func(n coltype.Column) bool { return strings.EqualFold(n.FieldName, c.FieldName) }); i >= 0 {
			if c.Name == t.spec.Column {
				return s, fmt.Errorf("column %q, which the table is partitioned by, was %s and is %s: the table was not changed; archive under another table name",
					c.Name, c.Type.Name, live[i].Type.Name)
			}
			continue
		}
		c.AttNum = 0
		s.Columns = append(s.Columns, c)
	}
	return s, nil
}

// matchColumns finds for every new column the old one that it is, -1 for none: by attribute number and name; by
// attribute number alone (a rename), unless the new name stood in the old table under a number that is gone, as
// after a dump and restore, which closes the gaps of dropped columns; then by name alone.
func matchColumns(old, cols []coltype.Column) []int {
	byName, byNum, newNums := map[string]int{}, map[int]int{}, map[int]bool{}
	for j, c := range old {
		byName[c.Name] = j
		if c.AttNum != 0 {
			byNum[c.AttNum] = j
		}
	}
	for _, c := range cols {
		newNums[c.AttNum] = true
	}
	match, taken := make([]int, len(cols)), map[int]bool{}
	try := func(i, j int, ok bool) {
		if ok && match[i] < 0 && !taken[j] {
			match[i] = j
			taken[j] = true
		}
	}
	for i, c := range cols {
		match[i] = -1
		j, ok := byNum[c.AttNum]
		try(i, j, ok && old[j].Name == c.Name)
	}
	for i, c := range cols {
		j, ok := byNum[c.AttNum]
		k, named := byName[c.Name]
		moved := named && old[k].AttNum != 0 && !newNums[old[k].AttNum]
		try(i, j, ok && !moved && promoted(old[j].Type, c.Type))
	}
	for i, c := range cols {
		j, ok := byName[c.Name]
		try(i, j, ok)
	}
	return match
}
