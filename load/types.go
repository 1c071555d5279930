package load

import (
	"fmt"
	"regexp"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"

	"frostline/coltype"
)

// plain is a type without what only Arrow sees: dictionaries and extensions other than uuid and json.
func plain(dt arrow.DataType) arrow.DataType {
	switch t := dt.(type) {
	case *arrow.DictionaryType:
		return plain(t.ValueType)
	case arrow.ExtensionType:
		if n := t.ExtensionName(); n != "arrow.uuid" && n != "arrow.json" {
			return plain(t.StorageType())
		}
	}
	return dt
}

func extension(dt arrow.DataType) string {
	if t, ok := dt.(arrow.ExtensionType); ok {
		return t.ExtensionName()
	}
	return ""
}

// listElem is the element type of a list that an array can be made of: one of scalars.
func listElem(dt arrow.DataType) (arrow.DataType, bool) {
	list, ok := dt.(arrow.ListLikeType)
	if !ok || dt.ID() == arrow.MAP {
		return nil, false
	}
	e := plain(list.Elem())
	return e, !arrow.IsNested(e.ID()) && e.ID() != arrow.NULL
}

// newType is the PostgreSQL type that holds every value of an Arrow type, and its typname.
func newType(dt arrow.DataType) (ddl, base string, err error) {
	dt = plain(dt)
	if e, ok := listElem(dt); ok {
		ddl, base, err = newType(e)
		return ddl + "[]", "_" + base, err
	}
	switch extension(dt) {
	case "arrow.uuid":
		return "uuid", "uuid", nil
	case "arrow.json":
		return "jsonb", "jsonb", nil
	}
	switch t := dt.(type) {
	case arrow.DecimalType:
		return fmt.Sprintf("numeric(%d,%d)", t.GetPrecision(), t.GetScale()), "numeric", nil
	case *arrow.TimestampType:
		if t.TimeZone != "" {
			return "timestamp with time zone", "timestamptz", nil
		}
		return "timestamp without time zone", "timestamp", nil
	}
	switch dt.ID() {
	case arrow.BOOL:
		return "boolean", "bool", nil
	case arrow.INT8, arrow.INT16, arrow.UINT8:
		return "smallint", "int2", nil
	case arrow.INT32, arrow.UINT16:
		return "integer", "int4", nil
	case arrow.INT64, arrow.UINT32:
		return "bigint", "int8", nil
	case arrow.UINT64:
		return "numeric(20,0)", "numeric", nil
	case arrow.FLOAT16, arrow.FLOAT32:
		return "real", "float4", nil
	case arrow.FLOAT64:
		return "double precision", "float8", nil
	case arrow.STRING, arrow.LARGE_STRING, arrow.STRING_VIEW, arrow.NULL:
		return "text", "text", nil
	case arrow.BINARY, arrow.LARGE_BINARY, arrow.BINARY_VIEW, arrow.FIXED_SIZE_BINARY:
		return "bytea", "bytea", nil
	case arrow.DATE32, arrow.DATE64:
		return "date", "date", nil
	case arrow.TIME32, arrow.TIME64:
		return "time without time zone", "time", nil
	case arrow.DURATION:
		return "interval", "interval", nil
	}
	if arrow.IsNested(dt.ID()) {
		return "jsonb", "jsonb", nil
	}
	return "", "", fmt.Errorf("Arrow type %s has no form in PostgreSQL", dt)
}

// wider is the type that holds the values of two: several files may differ.
func wider(a, b string) (string, bool) {
	for _, chain := range [][]string{{"smallint", "integer", "bigint", "numeric(20,0)"}, {"real", "double precision"}} {
		ia, ib := -1, -1
		for i, t := range chain {
			if t == a {
				ia = i
			}
			if t == b {
				ib = i
			}
		}
		if ia >= 0 && ib >= 0 {
			return chain[max(ia, ib)], true
		}
	}
	return a, a == b
}

var typmods = regexp.MustCompile(`\((\d+)(?:,(-?\d+))?\)`)

// wantOf is what a column of the type can hold.
func wantOf(t coltype.Type, srid int) want {
	w := want{base: t.Base, scale: -1, fraction: 6, srid: srid}
	mods := typmods.FindStringSubmatch(t.Name)
	switch {
	case t.Kind == coltype.Decimal:
		w.scale = t.Scale
	case t.Base == "numeric" && mods != nil:
		w.scale, _ = strconv.Atoi(mods[2])
		w.scale = max(w.scale, 0)
	case mods != nil && (t.Base == "timestamp" || t.Base == "timestamptz" || t.Base == "time"):
		w.fraction, _ = strconv.Atoi(mods[1])
	case t.Kind == coltype.List:
		elem := wantOf(*t.Elem, srid)
		w.elem, w.delim = &elem, t.Delim[0]
	}
	return w
}

// family groups Arrow types by what they can become.
func family(dt arrow.DataType) string {
	switch extension(dt) {
	case "arrow.uuid":
		return "uuid"
	case "arrow.json":
		return "string"
	}
	switch id := dt.ID(); {
	case id == arrow.NULL:
		return "null"
	case id == arrow.BOOL:
		return "bool"
	case id == arrow.UINT64:
		return "uint64"
	case arrow.IsInteger(id):
		return "integer"
	case arrow.IsFloating(id):
		return "float"
	case arrow.IsDecimal(id):
		return "decimal"
	case id == arrow.STRING, id == arrow.LARGE_STRING, id == arrow.STRING_VIEW:
		return "string"
	case id == arrow.FIXED_SIZE_BINARY && dt.(*arrow.FixedSizeBinaryType).ByteWidth == 16:
		return "binary16"
	case id == arrow.BINARY, id == arrow.LARGE_BINARY, id == arrow.BINARY_VIEW, id == arrow.FIXED_SIZE_BINARY:
		return "binary"
	case id == arrow.DATE32, id == arrow.DATE64:
		return "date"
	case id == arrow.TIME32, id == arrow.TIME64:
		return "time"
	case id == arrow.TIMESTAMP:
		if dt.(*arrow.TimestampType).TimeZone != "" {
			return "timestamptz"
		}
		return "timestamp"
	case id == arrow.DURATION:
		return "duration"
	}
	return "nested"
}

// casts are the typnames that a family may go into, beside text, with what is worth a note.
var casts = map[string]map[string]string{
	"bool":        {"bool": ""},
	"integer":     {"int2": "checked for range", "int4": "checked for range", "int8": "", "oid": "checked for range", "numeric": "", "float4": "refused where it would be rounded", "float8": "refused where it would be rounded"},
	"uint64":      {"int8": "checked for range", "numeric": ""},
	"float":       {"float4": "refused where it would be rounded", "float8": "", "numeric": "refused where it would be rounded", "int2": "whole numbers only", "int4": "whole numbers only", "int8": "whole numbers only"},
	"decimal":     {"numeric": "refused where it would be rounded", "int2": "whole numbers only", "int4": "whole numbers only", "int8": "whole numbers only"},
	"uuid":        {"uuid": "", "bytea": ""},
	"binary":      {"bytea": "", "geometry": "WKB or EWKB", "geography": "WKB or EWKB", "json": "UTF-8 text", "jsonb": "UTF-8 text"},
	"binary16":    {"bytea": "", "uuid": ""},
	"date":        {"date": "", "timestamp": "midnight", "timestamptz": "midnight UTC"},
	"time":        {"time": ""},
	"timestamp":   {"timestamp": "", "timestamptz": "taken as UTC", "date": "midnight only"},
	"timestamptz": {"timestamptz": "", "timestamp": "as UTC", "date": "midnight UTC only"},
	"duration":    {"interval": ""},
	"nested":      {"json": "as JSON", "jsonb": "as JSON"},
}

// cast says whether values of dt may go into a column of the type: not how each fares, but that the two have to do with each
// other.
func cast(dt arrow.DataType, t coltype.Type) (note string, err error) {
	dt = plain(dt)
	refused := fmt.Errorf("%s does not go into %s", dt, t.Name)
	f := family(dt)
	switch {
	case f == "null":
		return "always NULL", nil
	case t.Kind == coltype.List:
		e, ok := listElem(dt)
		if ok {
			return cast(e, *t.Elem)
		}
		if f == "string" {
			return "array literals", nil
		}
		return "", refused
	case f == "string" && t.Base == "bytea":
		return "", fmt.Errorf("%w: text has no one form in bytes; make the column text", refused)
	case f == "string" && !isText(t.Base):
		return "read by the type's input function", nil
	case isText(t.Base):
		switch f {
		case "string":
			return "", nil
		case "binary", "binary16":
			return "UTF-8 text", nil
		case "nested":
			return "as JSON", nil
		}
		return "as text", nil
	}
	note, ok := casts[f][t.Base]
	if !ok {
		return "", refused
	}
	if f == "integer" && t.Base == "numeric" || f == "float" && t.Base == "numeric" && t.Kind != coltype.Decimal {
		note = ""
	}
	return note, nil
}
