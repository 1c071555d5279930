package predicate

import (
	"fmt"
	"strings"

	"frostline/coltype"
)

// class is a PostgreSQL type with operators here.
type class uint8

const (
	opaque  class = iota // no comparison: IS NULL only
	unknown              // a quoted literal or NULL before it is resolved
	boolean
	smallint
	integer
	bigint
	oid
	float4
	float8
	numeric
	text // varchar too
	bpchar
	name
	enum
	uuid
	bytea
	date
	clock // time
	timestamp
	timestamptz
	interval
	jsonType
	jsonbType
	arrayType // of a class with values of its own
)

// plain are the types without modifiers: a literal is not rounded or cut to the column's.
var plain = map[class]coltype.Type{
	boolean:     {Kind: coltype.Bool, Wire: coltype.WireBool, Base: "bool", Name: "boolean"},
	smallint:    {Kind: coltype.Int32, Wire: coltype.WireInt2, Base: "int2", Name: "smallint"},
	integer:     {Kind: coltype.Int32, Wire: coltype.WireInt4, Base: "int4", Name: "integer"},
	bigint:      {Kind: coltype.Int64, Wire: coltype.WireInt8, Base: "int8", Name: "bigint"},
	oid:         {Kind: coltype.Int64, Wire: coltype.WireOID, Base: "oid", Name: "oid"},
	float4:      {Kind: coltype.Float32, Wire: coltype.WireFloat4, Base: "float4", Name: "real"},
	float8:      {Kind: coltype.Float64, Wire: coltype.WireFloat8, Base: "float8", Name: "double precision"},
	numeric:     {Kind: coltype.String, Wire: coltype.WireNumeric, Base: "numeric", Name: "numeric"},
	text:        {Kind: coltype.String, Wire: coltype.WireRaw, Base: "text", Name: "text"},
	bpchar:      {Kind: coltype.String, Wire: coltype.WireRaw, Base: "bpchar", Name: "character"},
	name:        {Kind: coltype.String, Wire: coltype.WireRaw, Base: "name", Name: "name"},
	enum:        {Name: "enum"},
	uuid:        {Kind: coltype.UUID, Wire: coltype.WireUUID, Base: "uuid", Name: "uuid"},
	bytea:       {Kind: coltype.Binary, Wire: coltype.WireRaw, Base: "bytea", Name: "bytea"},
	date:        {Kind: coltype.Date, Wire: coltype.WireDate, Base: "date", Name: "date"},
	clock:       {Kind: coltype.Time, Wire: coltype.WireTime, Base: "time", Name: "time without time zone"},
	timestamp:   {Kind: coltype.Timestamp, Wire: coltype.WireTimestamp, Base: "timestamp", Name: "timestamp without time zone"},
	timestamptz: {Kind: coltype.TimestampTZ, Wire: coltype.WireTimestamp, Base: "timestamptz", Name: "timestamp with time zone"},
	interval:    {Kind: coltype.String, Wire: coltype.WireText, Base: "interval", Name: "interval"},
	jsonType:    {Kind: coltype.String, Wire: coltype.WireRaw, Base: "json", Name: "json"},
	jsonbType:   {Kind: coltype.String, Wire: coltype.WireJSONB, Base: "jsonb", Name: "jsonb"},
	arrayType:   {Name: "array"},
	unknown:     {Name: "unknown"},
}

func (c class) String() string { return plain[c].Name }

// classOf is the class of a column's type. The base name alone does not decide: a user's type may
// have any name.
func classOf(t coltype.Type) class {
	if t.Kind == coltype.String && t.Wire == coltype.WireRaw && len(t.Labels) > 0 {
		return enum
	}
	switch t.Wire {
	case coltype.WireBool:
		return boolean
	case coltype.WireInt2:
		return smallint
	case coltype.WireInt4:
		return integer
	case coltype.WireInt8:
		return bigint
	case coltype.WireOID:
		return oid
	case coltype.WireFloat4:
		return float4
	case coltype.WireFloat8:
		return float8
	case coltype.WireNumeric:
		return numeric
	case coltype.WireUUID:
		return uuid
	case coltype.WireDate:
		return date
	case coltype.WireTime:
		return clock
	case coltype.WireTimestamp:
		if t.Kind == coltype.TimestampTZ {
			return timestamptz
		}
		return timestamp
	case coltype.WireRaw:
		switch {
		case t.Kind == coltype.Binary && t.Base == "bytea":
			return bytea
		case t.Kind != coltype.String:
		case t.Base == "text" || t.Base == "varchar":
			return text
		case t.Base == "bpchar":
			return bpchar
		case t.Base == "name":
			return name
		case t.Base == "json":
			return jsonType
		}
	case coltype.WireJSONB:
		return jsonbType
	case coltype.WireText:
		// A domain over interval has another name, as has a user's own type.
		if t.Kind == coltype.String && t.Base == "interval" && strings.HasPrefix(t.Name, "interval") {
			return interval
		}
	case coltype.WireArray:
		if t.Kind == coltype.List && t.Elem != nil && classOf(*t.Elem).isElement() {
			return arrayType
		}
	}
	return opaque
}

func (c class) isNumber() bool { return c >= smallint && c <= numeric }

func (c class) isInt() bool { return c == smallint || c == integer || c == bigint }

func (c class) isFloat() bool { return c == float4 || c == float8 }

func (c class) isMoment() bool { return c == date || c == timestamp || c == timestamptz }

// isElement tells whether arrays of c have operators here.
func (c class) isElement() bool { return c >= boolean && c <= timestamptz }

func (c class) isText() bool { return c == text || c == bpchar || c == name }

// comparable tells whether PostgreSQL has `a op b` for a column or literal of class a and a typed
// literal of class b. There are casts from integers to oid, and none from numeric.
func comparable(a, b class) bool {
	switch {
	case a == oid || b == oid:
		return (a == oid || a.isInt()) && (b == oid || b.isInt())
	case a.isNumber():
		return b.isNumber()
	case a.isMoment():
		return b.isMoment()
	case a.isText():
		return b.isText()
	}
	return a == b && a != opaque && a != jsonType && a != jsonbType
}

// category is pg_type.typcategory, as far as the types here share one.
func (c class) category() string {
	switch {
	case c.isNumber():
		return "N"
	case c.isMoment() || c == clock:
		return "D"
	case c.isText():
		return "S"
	}
	return fmt.Sprint(uint8(c))
}

// casts tells whether from becomes to implicitly (pg_cast.castcontext i).
func casts(from, to class) bool {
	rank := map[class]int{smallint: 1, integer: 2, bigint: 3, numeric: 4, float4: 5, float8: 6, date: 11, timestamp: 12, timestamptz: 13}
	switch {
	case from == to:
		return true
	case to == oid:
		return from.isInt()
	case from == oid:
		return to == bigint
	case from.isText() && to.isText():
		return from != name || to != bpchar
	}
	f, t := rank[from], rank[to]
	return f > 0 && t > 0 && f/10 == t/10 && f < t
}

// common is select_common_type of src/backend/parser/parse_coerce.c: the element type of an IN
// list, that of x included. unknown means that there is none.
func common(list []class) class {
	out := unknown
	for _, c := range list {
		switch {
		case c == unknown || c == out:
		case out == unknown:
			out = c
		case c.category() != out.category():
			return unknown
		case out != float8 && out != oid && out != timestamptz && out != text && casts(out, c) && !casts(c, out):
			out = c
		}
	}
	if out == unknown {
		return text
	}
	for _, c := range list {
		if c != unknown && !casts(c, out) {
			return unknown
		}
	}
	return out
}
