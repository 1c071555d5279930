package coltype

import (
	"fmt"
	"strings"
)

// builtin are the types of pg_catalog with a form of their own, by typname.
var builtin = map[string]Type{
	"bool":        {Kind: Bool, Wire: WireBool},
	"int2":        {Kind: Int32, Wire: WireInt2},
	"int4":        {Kind: Int32, Wire: WireInt4},
	"int8":        {Kind: Int64, Wire: WireInt8},
	"oid":         {Kind: Int64, Wire: WireOID},
	"float4":      {Kind: Float32, Wire: WireFloat4},
	"float8":      {Kind: Float64, Wire: WireFloat8},
	"numeric":     {Kind: String, Wire: WireNumeric}, // with a usable precision: Decimal
	"text":        {Kind: String, Wire: WireRaw},
	"varchar":     {Kind: String, Wire: WireRaw},
	"bpchar":      {Kind: String, Wire: WireRaw},
	"name":        {Kind: String, Wire: WireRaw},
	"json":        {Kind: String, Wire: WireRaw},
	"jsonb":       {Kind: String, Wire: WireJSONB},
	"bytea":       {Kind: Binary, Wire: WireRaw},
	"uuid":        {Kind: UUID, Wire: WireUUID},
	"date":        {Kind: Date, Wire: WireDate},
	"time":        {Kind: Time, Wire: WireTime},
	"timestamp":   {Kind: Timestamp, Wire: WireTimestamp},
	"timestamptz": {Kind: TimestampTZ, Wire: WireTimestamp},
}

// unreadable are the types of pg_catalog whose input and receive functions refuse every value: the server fills them by itself,
// and no value of one can be loaded again.
var unreadable = map[string]bool{
	"pg_node_tree": true, "pg_ndistinct": true, "pg_dependencies": true, "pg_mcv_list": true,
	"pg_brin_bloom_summary": true, "pg_brin_minmax_multi_summary": true, "gtsvector": true,
}

// maxTypeDepth bounds domains over domains and arrays of them.
const maxTypeDepth = 64

// Map gives the mapped type of a PostgreSQL type. Every type that a column can have has one, but for those whose
// values PostgreSQL itself cannot read in again (pg_node_tree and the like); they, a pseudo-type, and a domain or an
// array that does not say of what, are an error.
//
// A built-in type is one of pg_catalog: a type of the same name in another schema is not
// mistaken for it. What has no form of its own is the exact text.
func Map(t PGType) (Type, error) { return mapType(t, 0) }

func mapType(t PGType, depth int) (Type, error) {
	name := t.Formatted
	if name == "" {
		name = t.Name
	}
	if depth > maxTypeDepth {
		return Type{}, fmt.Errorf("map type %s: more than %d types deep", name, maxTypeDepth)
	}
	out := Type{Kind: String, Wire: WireText, Name: name, Base: t.Name}
	switch {
	case t.TypType == 'p':
		return Type{}, fmt.Errorf("map type %s: a pseudo-type cannot be a column's", name)
	case unreadable[t.Name] && (t.Schema == "pg_catalog" || t.Schema == ""):
		return Type{}, fmt.Errorf("map type %s: PostgreSQL can print its values, but cannot read them in again: an archive of them could not be restored", name)
	case t.TypType == 'd':
		if t.Base == nil {
			return Type{}, fmt.Errorf("map type %s: a domain without its base type", name)
		}
		base, err := mapType(*t.Base, depth+1)
		if err != nil {
			return Type{}, fmt.Errorf("map type %s: %w", name, err)
		}
		base.Name = name
		return base, nil
	case t.TypType == 'e':
		out.Wire, out.Labels = WireRaw, t.Labels
		return out, nil
	case t.TypType != 'b' && t.TypType != 0:
		return out, nil // c, r, m: composite, range, multirange
	case t.Elem != nil && (t.Send == "array_send" || t.Send == ""): // not int2vector, oidvector
		return mapArray(t, out, depth)
	case t.Schema == "pg_catalog" || t.Schema == "":
		if b, ok := builtin[t.Name]; ok {
			out.Kind, out.Wire = b.Kind, b.Wire
		}
		if p, s, ok := numericTypmod(t.Typmod); ok && t.Name == "numeric" {
			out.Kind, out.Precision, out.Scale = Decimal, p, s
		}
	}
	switch {
	case t.Send == "citextsend":
		out.Kind, out.Wire = String, WireRaw
	case t.Name == "geometry" && t.Send == "geometry_send", t.Name == "geography" && t.Send == "geography_send":
		out.Kind, out.Wire = Binary, WireRaw
	}
	return out, nil
}

// mapArray maps a true array. The column's modifier belongs to the element: numeric(12,2)[].
func mapArray(t PGType, out Type, depth int) (Type, error) {
	e := *t.Elem
	if e.TypType != 'd' && e.Typmod == -1 && t.Typmod != -1 {
		e.Typmod = t.Typmod
		e.Formatted = strings.TrimSuffix(out.Name, "[]")
	}
	elem, err := mapType(e, depth+1)
	if err != nil {
		return Type{}, fmt.Errorf("map type %s: %w", out.Name, err)
	}
	if elem.Kind == List { // of a domain over an array
		return out, nil
	}
	out.Kind, out.Wire, out.Elem, out.Delim = List, WireArray, &elem, ","
	if elem.Wire == WireText {
		out.Wire = WireText
	}
	// The delimiter is the one of the column's own literals, also where it travels as a text array.
	if e.Delim != 0 {
		out.Delim = string([]byte{e.Delim})
	}
	return out, nil
}

// numericTypmod decodes numeric's modifier (make_numeric_typmod in src/backend/utils/adt/numeric.c:
// the scale is an 11-bit signed number since version 15, and 0 to 1000 before). ok tells whether an
// Iceberg decimal holds every finite value.
func numericTypmod(typmod int32) (precision, scale int, ok bool) {
	if typmod < 4 {
		return 0, 0, false
	}
	precision = int((typmod - 4) >> 16 & 0xffff)
	scale = int((typmod-4)&0x7ff^1024) - 1024
	return precision, scale, precision >= 1 && precision <= 38 && scale >= 0 && scale <= precision
}
