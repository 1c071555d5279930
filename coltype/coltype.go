// Package coltype is the one lossless mapping between PostgreSQL types, Arrow, Iceberg and
// Parquet. It knows types, columns, scalar values and their bounds; it does no I/O and imports
// no project package.
//
// A column has a typed form wherever Iceberg has a type that holds its values; otherwise its
// form is the exact text that PostgreSQL prints. A single cell that its typed column cannot hold
// (infinity, a far timestamp, NaN in numeric(p,s), 24:00:00, an array of several dimensions or
// with an odd lower bound) is NULL there and stands as exact text in the side column [ExactName].
package coltype

// Kind is the stored form of a column: one Arrow type, one Iceberg type, one Parquet type.
type Kind uint8

// The kinds. Their numbers are not stored anywhere; their names (String) are.
const (
	Invalid     Kind = iota
	Bool             // boolean
	Int32            // int: int2, int4
	Int64            // long: int8, oid
	Float32          // float, bits kept
	Float64          // double, bits kept
	Decimal          // decimal(p,s), p ≤ 38, 0 ≤ s ≤ p; Arrow decimal128
	String           // string: text types, json, jsonb, enum, and the exact text of everything else
	Binary           // binary: bytea, geometry and geography as EWKB
	UUID             // uuid: Arrow extension type uuid over fixed_size_binary(16)
	Date             // date: days since 1970-01-01
	Time             // time: µs since midnight
	Timestamp        // timestamp: µs since 1970-01-01 00:00
	TimestampTZ      // timestamptz: µs since 1970-01-01 00:00 UTC; Arrow zone "UTC"
	List             // list of Type.Elem
)

// Wire is how a field travels in a COPY binary stream.
type Wire uint8

// The wire forms. WireText means that the column is selected as col::text (col::text[] for a
// list) and that it can only be loaded through the type's input function, that is by text COPY.
const (
	WireInvalid Wire = iota
	WireText
	WireRaw // the field's bytes are the value: text, varchar, bpchar, name, json, enum, citext, bytea, EWKB
	WireBool
	WireInt2
	WireInt4
	WireInt8
	WireOID
	WireFloat4
	WireFloat8
	WireNumeric // Kind Decimal, or String for numeric without a usable precision
	WireJSONB   // version byte 1, then text
	WireUUID
	WireDate
	WireTime
	WireTimestamp // also timestamptz
	WireArray
)

// PGType is a type as PostgreSQL's catalogs describe it.
type PGType struct {
	OID       uint32
	Schema    string   // pg_namespace.nspname
	Name      string   // pg_type.typname
	Typmod    int32    // -1 without a modifier; a domain's own is in Base
	TypType   byte     // pg_type.typtype: b, c, d, e, r, m, p
	Formatted string   // format_type(oid, typmod), read with search_path = pg_catalog
	Send      string   // proname of typsend, "" without
	Delim     byte     // pg_type.typdelim
	Elem      *PGType  // of a true array (typsubscript array_subscript_handler, typlen -1), else nil
	Base      *PGType  // of a domain, with the domain's typtypmod
	Labels    []string // of an enum, in enumsortorder
}

// Type is a column's mapped type. It is stored as JSON in the archive record and in the Iceberg
// table's properties.
type Type struct {
	Kind      Kind     `json:"kind"`
	Wire      Wire     `json:"wire"`
	Precision int      `json:"precision,omitempty"` // Decimal
	Scale     int      `json:"scale,omitempty"`     // Decimal
	Elem      *Type    `json:"elem,omitempty"`      // List
	Delim     string   `json:"delim,omitempty"`     // List: the element's delimiter in array literals, "," or ";"
	Name      string   `json:"name"`                // as declared, format_type: "numeric(12,2)", "public.mood"
	Base      string   `json:"base"`                // the typname under all domains: "numeric", "bpchar", "interval", "mood"
	Labels    []string `json:"labels,omitempty"`    // enum labels in PostgreSQL's order
}

// Column is one column of an archived table.
type Column struct {
	Name      string `json:"name"`                // PostgreSQL's
	FieldName string `json:"field_name"`          // Iceberg's; differs only where Name cannot be addressed there
	AttNum    int    `json:"attnum"`              // of the partitioned parent, or of the table itself
	NotNull   bool   `json:"not_null,omitempty"`  // in the record; every Iceberg field is optional
	Generated bool   `json:"generated,omitempty"` // GENERATED ALWAYS AS: archived, never loaded
	Type      Type   `json:"type"`
	FieldID   int    `json:"field_id,omitempty"` // Iceberg's, 0 until the table has assigned it
	ElemID    int    `json:"elem_id,omitempty"`  // Iceberg's element id of a List
}

// ExactName is the side column map<string, string>: column name → exact text of a cell that its
// typed column cannot hold. A user's column of this name gets another FieldName.
const ExactName = "_pg_exact"

// Schema is what one Iceberg schema holds: the columns, then the side column. The zero ids mean
// that the table has not assigned them yet.
type Schema struct {
	Columns      []Column `json:"columns"`
	ExactID      int      `json:"exact_id"`
	ExactKeyID   int      `json:"exact_key_id"`
	ExactValueID int      `json:"exact_value_id"`
}

// Bounds are what is known of one column's values in a file, a row group or a page. Unknown
// statistics keep the data.
type Bounds struct {
	Rows  int64  // rows covered
	Nulls int64  // NULLs in the typed column, including cells kept as exact text; -1 unknown
	NaNs  int64  // -1 unknown; NaN is outside Min and Max
	Exact int64  // cells that may stand in the side column for any column; -1 unknown
	Min   *Value // a lower bound, not necessarily attained; nil unknown
	Max   *Value // an upper bound, not necessarily attained; nil unknown
}
