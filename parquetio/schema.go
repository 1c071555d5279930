package parquetio

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"frostline/coltype"
)

type shape int

const (
	shapeFlat shape = iota
	shapeList       // optional group (LIST) { repeated group list { optional element } }
	shapeMap        // optional group (MAP) { repeated group key_value { required key; optional value } }
)

// leaf is one Parquet column of a file being written.
type leaf struct {
	elem    schemaElement
	path    []string
	typ     coltype.Type // of the values: a list's element type
	shape   shape
	column  int // in the batch
	value   bool
	maxDef  int
	maxRep  int
	exact   bool // belongs to the side column
	fieldID int
}

// writeSchema lays out the columns of s: the schema elements of the footer and the leaves in order.
func writeSchema(s coltype.Schema, arrowSchema *arrow.Schema) ([]schemaElement, []leaf, error) {
	fields := arrowSchema.Fields()
	if len(fields) != len(s.Columns)+1 {
		return nil, nil, fmt.Errorf("write Parquet: schema has %d columns and a side column, its Arrow schema has %d fields", len(s.Columns), len(fields))
	}
	elems := []schemaElement{{name: "schema", repetition: -1, children: int32(len(fields)), converted: -1, fieldID: -1}}
	var leaves []leaf
	add := func(e schemaElement, l leaf) {
		e.hasType = true
		l.elem, l.fieldID = e, max(int(e.fieldID), 0)
		elems = append(elems, e)
		leaves = append(leaves, l)
	}
	group := func(name string, repetition, children int32, logical int16, converted int32, id int) {
		elems = append(elems, schemaElement{name: name, repetition: repetition, children: children, logical: logical,
			converted: converted, fieldID: idOrNone(id)})
	}
	for i, c := range s.Columns {
		name := fields[i].Name
		if c.Type.Kind != coltype.List {
			e, err := elementOf(c.Type)
			if err != nil {
				return nil, nil, fmt.Errorf("write Parquet: column %q: %w", c.Name, err)
			}
			e.name, e.repetition, e.fieldID = name, repOptional, idOrNone(c.FieldID)
			add(e, leaf{path: []string{name}, typ: c.Type, column: i, maxDef: 1})
			continue
		}
		e, err := elementOf(*c.Type.Elem)
		if err != nil {
			return nil, nil, fmt.Errorf("write Parquet: column %q: %w", c.Name, err)
		}
		group(name, repOptional, 1, logicalList, convertedList, c.FieldID)
		group("list", repRepeated, 1, 0, -1, 0)
		e.name, e.repetition, e.fieldID = "element", repOptional, idOrNone(c.ElemID)
		add(e, leaf{path: []string{name, "list", "element"}, typ: *c.Type.Elem, shape: shapeList, column: i, maxDef: 3, maxRep: 1})
	}
	text := coltype.Type{Kind: coltype.String}
	name := fields[len(fields)-1].Name
	group(name, repOptional, 1, logicalMap, convertedMap, s.ExactID)
	group("key_value", repRepeated, 2, 0, -1, 0)
	key, _ := elementOf(text)
	key.name, key.repetition, key.fieldID = "key", repRequired, idOrNone(s.ExactKeyID)
	add(key, leaf{path: []string{name, "key_value", "key"}, typ: text, shape: shapeMap, column: len(s.Columns), maxDef: 2, maxRep: 1, exact: true})
	value, _ := elementOf(text)
	value.name, value.repetition, value.fieldID = "value", repOptional, idOrNone(s.ExactValueID)
	add(value, leaf{path: []string{name, "key_value", "value"}, typ: text, shape: shapeMap, column: len(s.Columns), value: true, maxDef: 3, maxRep: 1, exact: true})
	return elems, leaves, nil
}

func idOrNone(id int) int32 {
	if id <= 0 {
		return -1
	}
	return int32(id)
}

// elementOf is the Parquet type of t (parquet-format, LogicalTypes.md).
func elementOf(t coltype.Type) (schemaElement, error) {
	e := schemaElement{converted: -1, fieldID: -1}
	switch t.Kind {
	case coltype.Bool:
		e.typ = physBool
	case coltype.Int32:
		e.typ = physInt32
	case coltype.Int64:
		e.typ = physInt64
	case coltype.Float32:
		e.typ = physFloat
	case coltype.Float64:
		e.typ = physDouble
	case coltype.Decimal:
		if t.Precision < 1 || t.Precision > 38 || t.Scale < 0 || t.Scale > t.Precision {
			return e, fmt.Errorf("decimal(%d,%d) is out of range", t.Precision, t.Scale)
		}
		e.logical, e.converted, e.precision, e.scale = logicalDecimal, convertedDecimal, int32(t.Precision), int32(t.Scale)
		switch {
		case t.Precision <= 9:
			e.typ = physInt32
		case t.Precision <= 18:
			e.typ = physInt64
		default:
			e.typ, e.typeLength = physFixed, decimalBytes[t.Precision]
		}
	case coltype.String:
		e.typ, e.logical, e.converted = physByteArray, logicalString, convertedUTF8
	case coltype.Binary:
		e.typ = physByteArray
	case coltype.UUID:
		e.typ, e.typeLength, e.logical = physFixed, 16, logicalUUID
	case coltype.Date:
		e.typ, e.logical, e.converted = physInt32, logicalDate, convertedDate
	case coltype.Time:
		e.typ, e.logical, e.unit, e.converted = physInt64, logicalTime, unitMicros, convertedTimeMicros
	case coltype.Timestamp, coltype.TimestampTZ:
		e.typ, e.logical, e.unit, e.converted = physInt64, logicalTimestamp, unitMicros, convertedTimestampMicros
		e.utc = t.Kind == coltype.TimestampTZ
	default:
		return e, fmt.Errorf("kind %d has no Parquet type", t.Kind)
	}
	return e, nil
}

// decimalBytes is the width of a two's complement that holds a precision.
var decimalBytes = func() (w [39]int32) {
	bits := 0.0
	for p := 1; p <= 38; p++ {
		bits = float64(p) * 3.321928094887362
		w[p] = int32((bits + 1 + 7.999999) / 8)
	}
	return w
}()

// source leaf and column of a file being read.
type fileLeaf struct {
	ordinal int // index of the column chunk in every row group
	elem    *schemaElement
	maxDef  int
	maxRep  int
}

type fileColumn struct {
	shape    shape
	leaves   []fileLeaf
	outerDef int // definition level from which the list or map is not NULL
	repDef   int // definition level from which it has an element
}

// fileSchema is the schema of a file, by top-level column.
type fileSchema struct {
	leaves int
	byID   map[int32]*fileColumn
	byName map[string]*fileColumn
	hasIDs bool
}

func readSchema(elems []schemaElement) (*fileSchema, error) {
	if len(elems) == 0 || elems[0].hasType {
		return nil, corruptf("schema has no root")
	}
	s := &fileSchema{byID: map[int32]*fileColumn{}, byName: map[string]*fileColumn{}}
	pos := 1
	for range elems[0].children {
		if pos >= len(elems) {
			return nil, corruptf("schema ends too early")
		}
		top := &elems[pos]
		first, firstPos := s.leaves, pos
		next, err := s.countLeaves(elems, pos, 0)
		if err != nil {
			return nil, err
		}
		pos = next
		if top.fieldID >= 0 {
			s.hasIDs = true
		}
		col := columnShape(elems[firstPos:pos], first)
		if col == nil {
			continue // a shape that this reader does not know: only an error when asked for
		}
		if top.fieldID >= 0 {
			s.byID[top.fieldID] = col
		}
		s.byName[top.name] = col
	}
	if pos != len(elems) {
		return nil, corruptf("schema has elements outside its root")
	}
	return s, nil
}

func (s *fileSchema) countLeaves(elems []schemaElement, pos, depth int) (int, error) {
	if pos >= len(elems) || depth > 32 {
		return 0, corruptf("schema ends too early")
	}
	e := &elems[pos]
	pos++
	if e.hasType {
		s.leaves++
		if e.typ == physFixed && (e.typeLength <= 0 || e.typeLength > 1<<20) {
			return 0, corruptf("column %q has a fixed length of %d", e.name, e.typeLength)
		}
		return pos, nil
	}
	for range e.children {
		var err error
		if pos, err = s.countLeaves(elems, pos, depth+1); err != nil {
			return 0, err
		}
	}
	return pos, nil
}

// columnShape recognises flat columns, lists of scalars and maps of scalars; nil is any other.
func columnShape(e []schemaElement, ordinal int) *fileColumn {
	top := &e[0]
	outer := 0
	if top.repetition == repOptional {
		outer = 1
	} else if top.repetition == repRepeated {
		return nil
	}
	if top.hasType {
		return &fileColumn{shape: shapeFlat, leaves: []fileLeaf{{ordinal: ordinal, elem: top, maxDef: outer}}}
	}
	mkLeaf := func(x *schemaElement, ord int) fileLeaf {
		def := outer + 1
		if x.repetition == repOptional {
			def++
		}
		return fileLeaf{ordinal: ord, elem: x, maxDef: def, maxRep: 1}
	}
	if len(e) < 2 || e[1].repetition != repRepeated || top.children != 1 {
		return nil
	}
	col := &fileColumn{outerDef: outer, repDef: outer + 1}
	switch {
	case len(e) == 2 && e[1].hasType: // two-level list: repeated element
		col.shape = shapeList
		col.leaves = []fileLeaf{{ordinal: ordinal, elem: &e[1], maxDef: outer + 1, maxRep: 1}}
	case len(e) == 3 && e[2].hasType && e[2].repetition != repRepeated:
		col.shape = shapeList
		col.leaves = []fileLeaf{mkLeaf(&e[2], ordinal)}
	case len(e) == 4 && e[2].hasType && e[3].hasType && e[2].repetition != repRepeated && e[3].repetition != repRepeated:
		col.shape = shapeMap
		col.leaves = []fileLeaf{mkLeaf(&e[2], ordinal), mkLeaf(&e[3], ordinal+1)}
	default:
		return nil
	}
	return col
}

// find is the file's column for c: by field id, or by name in a file without ids; nil when the
// file lacks it.
func (s *fileSchema) find(c coltype.Column) *fileColumn {
	if s.hasIDs && c.FieldID > 0 {
		return s.byID[int32(c.FieldID)]
	}
	if c.FieldName != "" {
		if col := s.byName[c.FieldName]; col != nil {
			return col
		}
	}
	return s.byName[c.Name]
}

// exactColumn is the side column, nil when the file lacks it.
func (s *fileSchema) exactColumn() *fileColumn {
	col := s.byName[coltype.ExactName]
	if col == nil || col.shape != shapeMap {
		return nil
	}
	return col
}
