// Package pgcopy converts between the PostgreSQL COPY stream and Arrow record batches. It does no
// I/O of its own and holds no connection.
//
// A binary stream is a 19-byte header (signature, flags, extension length), one tuple per row, then
// an int16 -1 trailer. Decoding is strict: a short field, a count larger than the bytes left, a value
// outside its type's range, a missing trailer or bytes after it is [ErrCorrupt]. Values are never
// truncated or rounded: a cell that its typed column cannot hold is NULL there and stands as exact
// text in the side column [coltype.ExactName]. What is decoded is encoded again to the same bytes,
// so that digests taken of the stream and of the batches are equal.
//
// A Decoder and an Encoder each serve one goroutine; the caller releases the batches. Memory is
// bounded by DecodeOptions plus the longest tuple, whatever lengths a hostile stream announces. A text
// or bytea of more than a MiB stands in memory once, in its batch: memory for it is taken when a MiB of it has come.
package pgcopy

import (
	"errors"
	"slices"
	"strings"

	"frostline/coltype"
)

// ErrCorrupt is wrapped by every refusal of a stream.
var ErrCorrupt = errors.New("corrupt COPY stream")

// BinaryHeader and BinaryTrailer frame a binary stream.
var (
	BinaryHeader  = []byte("PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	BinaryTrailer = []byte{0xff, 0xff}
)

// SelectList is the select list that a copy out uses: quoted names in the order of cols, as exact
// text where the wire form asks for it. alias, when not empty, qualifies each; it is quoted too.
//
// Exact text comes from the type's output function, by format('%s'), and not from a cast to text: a
// cast may have a function of its own that prints something else (inet's appends the netmask, and
// CREATE CAST allows any). An array is printed by array_out and read as text[], which keeps its shape;
// where its delimiter is not a comma (box), its elements are cast. Two types are not what they print:
// xml_out drops the XML declaration, which the cast keeps; and regproc and regoper print a name that
// several functions may have, so one that its name does not find goes as its OID.
func SelectList(cols []coltype.Column, alias string) string {
	var b strings.Builder
	for i, c := range cols {
		if i > 0 {
			b.WriteString(", ")
		}
		name := quote(c.Name)
		if alias != "" {
			name = quote(alias) + "." + name
		}
		switch {
		case c.Type.Wire != coltype.WireText && !textList(c.Type):
			b.WriteString(name)
		case c.Type.Kind != coltype.List && is(c.Type, "xml"):
			b.WriteString("(" + name + ")::pg_catalog.text")
		case c.Type.Kind != coltype.List && is(c.Type, "regproc", "regoper"):
			b.WriteString("CASE WHEN " + name + " IS NULL THEN NULL WHEN pg_catalog.to_" + c.Type.Base + "(pg_catalog.format('%s', " + name + ")) OPERATOR(pg_catalog.=) " + name +
				" THEN pg_catalog.format('%s', " + name + ") ELSE (" + name + ")::pg_catalog.oid::pg_catalog.text END")
		case c.Type.Kind != coltype.List:
			// IS DISTINCT FROM NULL: a composite whose fields are all NULL IS NULL, but is a value.
			b.WriteString("CASE WHEN " + name + " IS DISTINCT FROM NULL THEN pg_catalog.format('%s', " + name + ") END")
		case is(*c.Type.Elem, "xml"):
			b.WriteString("(" + name + ")::pg_catalog.text[]")
		case is(*c.Type.Elem, "regproc", "regoper"):
			b.WriteString("(" + name + ")::pg_catalog.oid[]::pg_catalog.text[]")
		case delimiter(c.Type) == ',':
			b.WriteString("((" + name + ")::pg_catalog.text)::pg_catalog.text[]")
		default:
			b.WriteString("(" + name + ")::pg_catalog.text[]")
		}
	}
	return b.String()
}

// is tells whether t is one of these types of pg_catalog, or a domain over it, and not a user's type of the name.
func is(t coltype.Type, names ...string) bool {
	return slices.Contains(names, t.Base) && t.Wire == coltype.WireText && !strings.HasSuffix(t.Name, "."+t.Base)
}

// InsertColumns is the quoted column list of COPY … FROM: cols without the generated ones.
func InsertColumns(cols []coltype.Column) string {
	var names []string
	for _, c := range cols {
		if !c.Generated {
			names = append(names, quote(c.Name))
		}
	}
	return strings.Join(names, ", ")
}

// NeedsText reports whether the loaded columns must go through text COPY: one of them travels as
// text, or is an array whose element OID is particular to a database (enum, domain, extension types).
func NeedsText(s coltype.Schema) bool {
	for _, c := range s.Columns {
		if c.Generated {
			continue
		}
		if c.Type.Wire == coltype.WireText || textList(c.Type) {
			return true
		}
		if c.Type.Kind == coltype.List && elementOID(*c.Type.Elem) == 0 {
			return true
		}
	}
	return false
}

func quote(ident string) string { return `"` + strings.ReplaceAll(ident, `"`, `""`) + `"` }

// textList tells whether t is an array that travels as text[].
func textList(t coltype.Type) bool {
	return t.Kind == coltype.List && (t.Wire == coltype.WireText || t.Elem != nil && t.Elem.Wire == coltype.WireText)
}

// delimiter is what separates the elements of t's literals.
func delimiter(t coltype.Type) byte {
	if t.Delim == "" {
		return ','
	}
	return t.Delim[0]
}

// builtin are the OIDs of element types, the same in every database (src/include/catalog/pg_type.dat).
var builtin = map[string]uint32{
	"bool": 16, "bytea": 17, "name": 19, "int8": 20, "int2": 21, "int4": 23, "text": 25, "oid": 26,
	"json": 114, "xml": 142, "float4": 700, "float8": 701, "bpchar": 1042, "varchar": 1043,
	"date": 1082, "time": 1083, "timestamp": 1114, "timestamptz": 1184, "numeric": 1700, "uuid": 2950,
	"jsonb": 3802,
}

// elementOID is the OID that array_recv expects of an element of type t, or 0 when it is not the same
// in every database. format_type qualifies the names of types outside pg_catalog, domains among them.
func elementOID(t coltype.Type) uint32 {
	if strings.Contains(t.Name, ".") {
		return 0
	}
	return builtin[t.Base]
}
