package coltype

import (
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/extensions"
)

// fieldIDKey is the Arrow metadata key that Parquet writers and Iceberg readers take field ids from.
const fieldIDKey = "PARQUET:field_id"

func idMetadata(id int) arrow.Metadata {
	return arrow.NewMetadata([]string{fieldIDKey}, []string{strconv.Itoa(id)})
}

// Arrow is the Arrow schema of s with PARQUET:field_id metadata on every field, nested ones
// included: the columns, then the side column. It is what Apache iceberg-go makes of the same
// Iceberg schema.
func (s Schema) Arrow() *arrow.Schema {
	fields := make([]arrow.Field, 0, len(s.Columns)+1)
	for _, c := range s.Columns {
		fields = append(fields, c.ArrowField())
	}
	return arrow.NewSchema(append(fields, s.ExactField()), nil)
}

// ExactField is the Arrow field of the side column, with its field ids.
func (s Schema) ExactField() arrow.Field {
	return arrow.Field{
		Name: ExactName,
		Type: arrow.MapOfFields(
			arrow.Field{Name: "key", Type: arrow.BinaryTypes.String, Metadata: idMetadata(s.ExactKeyID)},
			arrow.Field{Name: "value", Type: arrow.BinaryTypes.String, Nullable: true, Metadata: idMetadata(s.ExactValueID)},
		),
		Nullable: true,
		Metadata: idMetadata(s.ExactID),
	}
}

// ArrowField is the Arrow field of one column, nullable, with its field ids. Its name is FieldName,
// or Name while the column has none.
func (c Column) ArrowField() arrow.Field {
	f := arrow.Field{Name: c.FieldName, Nullable: true, Metadata: idMetadata(c.FieldID)}
	if f.Name == "" {
		f.Name = c.Name
	}
	if c.Type.Kind != List {
		f.Type = c.Type.Arrow()
		return f
	}
	f.Type = arrow.ListOfField(arrow.Field{
		Name: "element", Type: c.Type.Elem.Arrow(), Nullable: true, Metadata: idMetadata(c.ElemID),
	})
	return f
}

// Arrow is the Arrow type. A list's element field has no id here; [Column.ArrowField] gives it one.
func (t Type) Arrow() arrow.DataType {
	switch t.Kind {
	case Bool:
		return arrow.FixedWidthTypes.Boolean
	case Int32:
		return arrow.PrimitiveTypes.Int32
	case Int64:
		return arrow.PrimitiveTypes.Int64
	case Float32:
		return arrow.PrimitiveTypes.Float32
	case Float64:
		return arrow.PrimitiveTypes.Float64
	case Decimal:
		return &arrow.Decimal128Type{Precision: int32(t.Precision), Scale: int32(t.Scale)}
	case String:
		return arrow.BinaryTypes.String
	case Binary:
		return arrow.BinaryTypes.Binary
	case UUID:
		return extensions.NewUUIDType()
	case Date:
		return arrow.FixedWidthTypes.Date32
	case Time:
		return arrow.FixedWidthTypes.Time64us
	case Timestamp:
		return &arrow.TimestampType{Unit: arrow.Microsecond}
	case TimestampTZ:
		return arrow.FixedWidthTypes.Timestamp_us
	case List:
		return arrow.ListOfField(arrow.Field{Name: "element", Type: t.Elem.Arrow(), Nullable: true})
	}
	panic("coltype: Arrow type of an invalid kind")
}
