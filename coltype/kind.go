package coltype

import "fmt"

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

var kindNames = [...]string{
	Invalid: "invalid", Bool: "bool", Int32: "int32", Int64: "int64", Float32: "float32", Float64: "float64",
	Decimal: "decimal", String: "string", Binary: "binary", UUID: "uuid", Date: "date", Time: "time",
	Timestamp: "timestamp", TimestampTZ: "timestamptz", List: "list",
}

var wireNames = [...]string{
	WireInvalid: "invalid", WireText: "text", WireRaw: "raw", WireBool: "bool", WireInt2: "int2", WireInt4: "int4",
	WireInt8: "int8", WireOID: "oid", WireFloat4: "float4", WireFloat8: "float8", WireNumeric: "numeric",
	WireJSONB: "jsonb", WireUUID: "uuid", WireDate: "date", WireTime: "time", WireTimestamp: "timestamp",
	WireArray: "array",
}

// String is the kind's name, as it is stored.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// MarshalText gives the kind's name; Invalid is refused.
func (k Kind) MarshalText() ([]byte, error) {
	if k == Invalid || int(k) >= len(kindNames) {
		return nil, fmt.Errorf("marshal %v: not a kind of column", k)
	}
	return []byte(kindNames[k]), nil
}

// UnmarshalText reads what MarshalText wrote.
func (k *Kind) UnmarshalText(b []byte) error {
	for i, name := range kindNames {
		if i != int(Invalid) && name == string(b) {
			*k = Kind(i)
			return nil
		}
	}
	return fmt.Errorf("read kind: %q is not known to this version", b)
}

// String is the wire form's name, as it is stored.
func (w Wire) String() string {
	if int(w) < len(wireNames) {
		return wireNames[w]
	}
	return fmt.Sprintf("wire(%d)", uint8(w))
}

// MarshalText gives the wire form's name; WireInvalid is refused.
func (w Wire) MarshalText() ([]byte, error) {
	if w == WireInvalid || int(w) >= len(wireNames) {
		return nil, fmt.Errorf("marshal %v: not a wire form", w)
	}
	return []byte(wireNames[w]), nil
}

// UnmarshalText reads what MarshalText wrote.
func (w *Wire) UnmarshalText(b []byte) error {
	for i, name := range wireNames {
		if i != int(WireInvalid) && name == string(b) {
			*w = Wire(i)
			return nil
		}
	}
	return fmt.Errorf("read wire form: %q is not known to this version", b)
}

// Iceberg is the name of the Iceberg type, as in its specification: "decimal(12, 2)",
// "timestamptz", "list<string>".
func (t Type) Iceberg() string {
	switch t.Kind {
	case Bool:
		return "boolean"
	case Int32:
		return "int"
	case Int64:
		return "long"
	case Float32:
		return "float"
	case Float64:
		return "double"
	case Decimal:
		return fmt.Sprintf("decimal(%d, %d)", t.Precision, t.Scale)
	case List:
		return "list<" + t.Elem.Iceberg() + ">"
	}
	return t.Kind.String()
}

// MayBeExact reports whether a cell of this type can be one that the typed column cannot hold, and
// that then stands in the side column.
func (t Type) MayBeExact() bool {
	switch t.Kind {
	case Decimal, Date, Time, Timestamp, TimestampTZ, List:
		return true
	}
	return false
}
