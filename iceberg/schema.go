package iceberg

import (
	"encoding/json"
	"fmt"
	"slices"

	icego "github.com/apache/iceberg-go"

	"frostline/coltype"
)

// icebergType is the Iceberg type of t; elemID is the id of a list's element.
func icebergType(t coltype.Type, elemID int) (icego.Type, error) {
	switch t.Kind {
	case coltype.Bool:
		return icego.PrimitiveTypes.Bool, nil
	case coltype.Int32:
		return icego.PrimitiveTypes.Int32, nil
	case coltype.Int64:
		return icego.PrimitiveTypes.Int64, nil
	case coltype.Float32:
		return icego.PrimitiveTypes.Float32, nil
	case coltype.Float64:
		return icego.PrimitiveTypes.Float64, nil
	case coltype.Decimal:
		if t.Precision < 1 || t.Precision > 38 || t.Scale < 0 || t.Scale > t.Precision {
			return nil, fmt.Errorf("decimal(%d,%d) is not an Iceberg type", t.Precision, t.Scale)
		}
		return icego.DecimalTypeOf(t.Precision, t.Scale), nil
	case coltype.String:
		return icego.PrimitiveTypes.String, nil
	case coltype.Binary:
		return icego.PrimitiveTypes.Binary, nil
	case coltype.UUID:
		return icego.PrimitiveTypes.UUID, nil
	case coltype.Date:
		return icego.PrimitiveTypes.Date, nil
	case coltype.Time:
		return icego.PrimitiveTypes.Time, nil
	case coltype.Timestamp:
		return icego.PrimitiveTypes.Timestamp, nil
	case coltype.TimestampTZ:
		return icego.PrimitiveTypes.TimestampTz, nil
	case coltype.List:
		if t.Elem == nil || t.Elem.Kind == coltype.List {
			return nil, fmt.Errorf("%s: a list needs an element type that is not a list", t.Name)
		}
		elem, err := icebergType(*t.Elem, 0)
		if err != nil {
			return nil, err
		}
		return &icego.ListType{ElementID: elemID, Element: elem}, nil
	}
	return nil, fmt.Errorf("%s: type kind %d has no Iceberg type", t.Name, t.Kind)
}

// icebergSchema is the Iceberg schema of s, whose ids are assigned: every field optional, the doc of a column its
// PostgreSQL type, the side column last.
func icebergSchema(id int, s coltype.Schema) (*icego.Schema, error) {
	fields := make([]icego.NestedField, 0, len(s.Columns)+1)
	names := map[string]bool{coltype.ExactName: true}
	for _, c := range s.Columns {
		if c.FieldName == "" || names[c.FieldName] {
			return nil, fmt.Errorf("column %q: field name %q is empty or taken", c.Name, c.FieldName)
		}
		names[c.FieldName] = true
		t, err := icebergType(c.Type, c.ElemID)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", c.Name, err)
		}
		fields = append(fields, icego.NestedField{ID: c.FieldID, Name: c.FieldName, Type: t, Doc: c.Type.Name})
	}
	fields = append(fields, icego.NestedField{ID: s.ExactID, Name: coltype.ExactName, Doc: "exact text of cells that their column cannot hold",
		Type: &icego.MapType{KeyID: s.ExactKeyID, KeyType: icego.PrimitiveTypes.String,
			ValueID: s.ExactValueID, ValueType: icego.PrimitiveTypes.String}})
	return icego.NewSchema(id, fields...), nil
}

// assignIDs gives every field of s without an id the ids after last, and returns the last one used.
func assignIDs(s *coltype.Schema, last int) int {
	next := func(id *int) {
		if *id == 0 {
			last++
			*id = last
		}
	}
	for i := range s.Columns {
		next(&s.Columns[i].FieldID)
	}
	next(&s.ExactID)
	for i := range s.Columns {
		if s.Columns[i].Type.Kind == coltype.List {
			next(&s.Columns[i].ElemID)
		}
	}
	next(&s.ExactKeyID)
	next(&s.ExactValueID)
	return last
}

// readIDs copies the ids that a table has given its fields into s, by field name.
func readIDs(s *coltype.Schema, sc *icego.Schema) error {
	byName := map[string]icego.NestedField{}
	for _, f := range sc.Fields() {
		byName[f.Name] = f
	}
	for i := range s.Columns {
		c := &s.Columns[i]
		f, ok := byName[c.FieldName]
		if !ok {
			return fmt.Errorf("the table has no field %q", c.FieldName)
		}
		c.FieldID, c.ElemID = f.ID, 0
		if l, ok := f.Type.(*icego.ListType); ok {
			c.ElemID = l.ElementID
		}
	}
	return readExactIDs(s, byName[coltype.ExactName])
}

func readExactIDs(s *coltype.Schema, f icego.NestedField) error {
	m, ok := f.Type.(*icego.MapType)
	if !ok {
		return fmt.Errorf("the table has no side column %s of type map", coltype.ExactName)
	}
	s.ExactID, s.ExactKeyID, s.ExactValueID = f.ID, m.KeyID, m.ValueID
	return nil
}

// storedSchema is the current schema with the PostgreSQL types of the property frostline.columns. Names and ids are
// the Iceberg schema's; a column that it has no longer is left out.
func storedSchema(sc *icego.Schema, property string) (coltype.Schema, error) {
	var s coltype.Schema
	if property == "" {
		return s, fmt.Errorf("there is no property %s: not a table of archives", propColumns)
	}
	var cols []coltype.Column
	if err := json.Unmarshal([]byte(property), &cols); err != nil {
		return s, fmt.Errorf("property %s: %w", propColumns, err)
	}
	byID := map[int]icego.NestedField{}
	var exact icego.NestedField
	for _, f := range sc.Fields() {
		byID[f.ID] = f
		if f.Name == coltype.ExactName {
			exact = f
		}
	}
	for _, c := range cols {
		f, ok := byID[c.FieldID]
		if !ok {
			continue
		}
		want, err := icebergType(c.Type, c.ElemID)
		if err != nil {
			return s, fmt.Errorf("property %s: %w", propColumns, err)
		}
		if want.String() != f.Type.String() {
			return s, fmt.Errorf("property %s: column %q is %s, the schema has %s", propColumns, c.Name, want, f.Type)
		}
		c.FieldName = f.Name
		if l, ok := f.Type.(*icego.ListType); ok {
			c.ElemID = l.ElementID
		}
		s.Columns = append(s.Columns, c)
	}
	return s, readExactIDs(&s, exact)
}

// promoted reports whether values of type from can be read as to, Iceberg's type promotion included: int to long,
// float to double, a wider decimal of the same scale.
func promoted(from, to coltype.Type) bool {
	switch {
	case from.Kind == coltype.Int32 && to.Kind == coltype.Int64,
		from.Kind == coltype.Float32 && to.Kind == coltype.Float64:
		return true
	case from.Kind != to.Kind:
		return false
	}
	switch from.Kind {
	case coltype.Decimal:
		return from.Scale == to.Scale && from.Precision <= to.Precision
	case coltype.List:
		return from.Elem != nil && to.Elem != nil && promoted(*from.Elem, *to.Elem)
	case coltype.String:
		return sameText(from, to)
	case coltype.Binary:
		return from.Base == to.Base
	}
	return true
}

// sameText reports whether stored texts of type from are texts of type to. Everything's exact text is a text;
// the other way round it need not be.
func sameText(from, to coltype.Type) bool {
	plain := []string{"text", "varchar", "bpchar", "name", "citext"}
	switch {
	case len(from.Labels) > 0 && len(to.Labels) > 0:
		for _, l := range from.Labels {
			if !slices.Contains(to.Labels, l) {
				return false
			}
		}
		return true
	case from.Base == to.Base, slices.Contains(plain, to.Base):
		return true
	case to.Base == "json" || to.Base == "jsonb":
		return from.Base == "json" || from.Base == "jsonb"
	}
	return false
}
