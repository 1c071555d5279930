package coltype

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// base is a built-in type as the catalogs have it.
func base(name string, typmod int32, formatted string) PGType {
	return PGType{Schema: "pg_catalog", Name: name, Typmod: typmod, TypType: 'b', Formatted: formatted, Delim: ','}
}

func arrayOf(e PGType, typmod int32, formatted string) PGType {
	return PGType{Schema: e.Schema, Name: "_" + e.Name, Typmod: typmod, TypType: 'b', Formatted: formatted, Send: "array_send", Delim: ',', Elem: &e}
}

func domain(name string, b PGType) PGType {
	return PGType{Schema: "public", Name: name, Typmod: -1, TypType: 'd', Formatted: "public." + name, Delim: ',', Base: &b}
}

func numericMod(p, s int32) int32 { return p<<16 | s&0x7ff + 4 }

func TestMap(t *testing.T) {
	text := func(name, base string) Type { return Type{Kind: String, Wire: WireText, Name: name, Base: base} }
	box := base("box", -1, "box")
	box.Delim = ';'
	mood := PGType{Schema: "public", Name: "mood", Typmod: -1, TypType: 'e', Formatted: "public.mood", Send: "enum_send", Delim: ',', Labels: []string{"sad", "ok"}}
	geometry := PGType{Schema: "gis", Name: "geometry", Typmod: 5, TypType: 'b', Formatted: "gis.geometry(Point)", Send: "geometry_send", Delim: ':'}
	price := Type{Kind: Decimal, Wire: WireNumeric, Precision: 12, Scale: 2, Name: "numeric(12,2)", Base: "numeric"}
	cases := []struct {
		name string
		in   PGType
		want Type
	}{
		{"bool", base("bool", -1, "boolean"), Type{Kind: Bool, Wire: WireBool, Name: "boolean", Base: "bool"}},
		{"int2", base("int2", -1, "smallint"), Type{Kind: Int32, Wire: WireInt2, Name: "smallint", Base: "int2"}},
		{"int4", base("int4", -1, "integer"), Type{Kind: Int32, Wire: WireInt4, Name: "integer", Base: "int4"}},
		{"int8", base("int8", -1, "bigint"), Type{Kind: Int64, Wire: WireInt8, Name: "bigint", Base: "int8"}},
		{"oid", base("oid", -1, "oid"), Type{Kind: Int64, Wire: WireOID, Name: "oid", Base: "oid"}},
		{"float4", base("float4", -1, "real"), Type{Kind: Float32, Wire: WireFloat4, Name: "real", Base: "float4"}},
		{"float8", base("float8", -1, "double precision"), Type{Kind: Float64, Wire: WireFloat8, Name: "double precision", Base: "float8"}},
		{"numeric", base("numeric", -1, "numeric"), Type{Kind: String, Wire: WireNumeric, Name: "numeric", Base: "numeric"}},
		{"numeric(12,2)", base("numeric", numericMod(12, 2), "numeric(12,2)"), price},
		{"numeric(38,0)", base("numeric", numericMod(38, 0), "numeric(38,0)"), Type{Kind: Decimal, Wire: WireNumeric, Precision: 38, Name: "numeric(38,0)", Base: "numeric"}},
		{"numeric(38,38)", base("numeric", numericMod(38, 38), "numeric(38,38)"), Type{Kind: Decimal, Wire: WireNumeric, Precision: 38, Scale: 38, Name: "numeric(38,38)", Base: "numeric"}},
		{"numeric(39,0)", base("numeric", numericMod(39, 0), "numeric(39,0)"), Type{Kind: String, Wire: WireNumeric, Name: "numeric(39,0)", Base: "numeric"}},
		{"numeric(5,-2)", base("numeric", numericMod(5, -2), "numeric(5,-2)"), Type{Kind: String, Wire: WireNumeric, Name: "numeric(5,-2)", Base: "numeric"}},
		{"numeric(2,4)", base("numeric", numericMod(2, 4), "numeric(2,4)"), Type{Kind: String, Wire: WireNumeric, Name: "numeric(2,4)", Base: "numeric"}},
		{"numeric(1000,1000)", base("numeric", numericMod(1000, 1000), "numeric(1000,1000)"), Type{Kind: String, Wire: WireNumeric, Name: "numeric(1000,1000)", Base: "numeric"}},
		{"char(3)", base("bpchar", 7, "character(3)"), Type{Kind: String, Wire: WireRaw, Name: "character(3)", Base: "bpchar"}},
		{"jsonb", base("jsonb", -1, "jsonb"), Type{Kind: String, Wire: WireJSONB, Name: "jsonb", Base: "jsonb"}},
		{"json", base("json", -1, "json"), Type{Kind: String, Wire: WireRaw, Name: "json", Base: "json"}},
		{"xml", base("xml", -1, "xml"), text("xml", "xml")},
		{"bytea", base("bytea", -1, "bytea"), Type{Kind: Binary, Wire: WireRaw, Name: "bytea", Base: "bytea"}},
		{"uuid", base("uuid", -1, "uuid"), Type{Kind: UUID, Wire: WireUUID, Name: "uuid", Base: "uuid"}},
		{"date", base("date", -1, "date"), Type{Kind: Date, Wire: WireDate, Name: "date", Base: "date"}},
		{"time(3)", base("time", 3, "time(3) without time zone"), Type{Kind: Time, Wire: WireTime, Name: "time(3) without time zone", Base: "time"}},
		{"timestamp", base("timestamp", -1, "timestamp without time zone"), Type{Kind: Timestamp, Wire: WireTimestamp, Name: "timestamp without time zone", Base: "timestamp"}},
		{"timestamptz", base("timestamptz", -1, "timestamp with time zone"), Type{Kind: TimestampTZ, Wire: WireTimestamp, Name: "timestamp with time zone", Base: "timestamptz"}},
		{"timetz", base("timetz", -1, "time with time zone"), text("time with time zone", "timetz")},
		{"interval", base("interval", -1, "interval"), text("interval", "interval")},
		{"quoted char", base("char", -1, `"char"`), text(`"char"`, "char")},
		{"int2vector, no true array", base("int2vector", -1, "int2vector"), text("int2vector", "int2vector")},
		{"int2vector with its element", PGType{Schema: "pg_catalog", Name: "int2vector", Typmod: -1, TypType: 'b', Formatted: "int2vector", Send: "int2vectorsend", Elem: &PGType{Schema: "pg_catalog", Name: "int2", TypType: 'b'}}, text("int2vector", "int2vector")},
		{"enum", mood, Type{Kind: String, Wire: WireRaw, Name: "public.mood", Base: "mood", Labels: []string{"sad", "ok"}}},
		{"citext in any schema", PGType{Schema: "ext", Name: "citext", Typmod: -1, TypType: 'b', Formatted: "ext.citext", Send: "citextsend"},
			Type{Kind: String, Wire: WireRaw, Name: "ext.citext", Base: "citext"}},
		{"geometry", geometry, Type{Kind: Binary, Wire: WireRaw, Name: "gis.geometry(Point)", Base: "geometry"}},
		{"a geometry that is not PostGIS's", PGType{Schema: "public", Name: "geometry", Typmod: -1, TypType: 'b', Formatted: "public.geometry", Send: "my_send"}, text("public.geometry", "geometry")},
		{"a user's type named int4", PGType{Schema: "public", Name: "int4", Typmod: -1, TypType: 'b', Formatted: "public.int4"}, text("public.int4", "int4")},
		{"a composite named date", PGType{Schema: "public", Name: "date", Typmod: -1, TypType: 'c', Formatted: "public.date"}, text("public.date", "date")},
		{"range", PGType{Schema: "pg_catalog", Name: "int4range", Typmod: -1, TypType: 'r', Formatted: "int4range"}, text("int4range", "int4range")},
		{"multirange", PGType{Schema: "pg_catalog", Name: "int4multirange", Typmod: -1, TypType: 'm', Formatted: "int4multirange"}, text("int4multirange", "int4multirange")},
		{"domain", domain("amount", base("numeric", numericMod(12, 2), "numeric(12,2)")), Type{Kind: Decimal, Wire: WireNumeric, Precision: 12, Scale: 2, Name: "public.amount", Base: "numeric"}},
		{"domain over domain over enum", domain("a", domain("b", mood)), Type{Kind: String, Wire: WireRaw, Name: "public.a", Base: "mood", Labels: []string{"sad", "ok"}}},
		{"int4[]", arrayOf(base("int4", -1, "integer"), -1, "integer[]"),
			Type{Kind: List, Wire: WireArray, Delim: ",", Name: "integer[]", Base: "_int4", Elem: &Type{Kind: Int32, Wire: WireInt4, Name: "integer", Base: "int4"}}},
		{"numeric(12,2)[]: the modifier is the element's", arrayOf(base("numeric", -1, "numeric"), numericMod(12, 2), "numeric(12,2)[]"),
			Type{Kind: List, Wire: WireArray, Delim: ",", Name: "numeric(12,2)[]", Base: "_numeric", Elem: &price}},
		{"interval[]", arrayOf(base("interval", -1, "interval"), -1, "interval[]"),
			Type{Kind: List, Wire: WireText, Delim: ",", Name: "interval[]", Base: "_interval", Elem: &Type{Kind: String, Wire: WireText, Name: "interval", Base: "interval"}}},
		{"box[]", arrayOf(box, -1, "box[]"),
			Type{Kind: List, Wire: WireText, Delim: ";", Name: "box[]", Base: "_box", Elem: &Type{Kind: String, Wire: WireText, Name: "box", Base: "box"}}},
		{"geometry[]", arrayOf(geometry, -1, "gis.geometry[]"),
			Type{Kind: List, Wire: WireArray, Delim: ":", Name: "gis.geometry[]", Base: "_geometry", Elem: &Type{Kind: Binary, Wire: WireRaw, Name: "gis.geometry(Point)", Base: "geometry"}}},
		{"domain over int4[]", domain("ids", arrayOf(base("int4", -1, "integer"), -1, "integer[]")),
			Type{Kind: List, Wire: WireArray, Delim: ",", Name: "public.ids", Base: "_int4", Elem: &Type{Kind: Int32, Wire: WireInt4, Name: "integer", Base: "int4"}}},
		{"array of domain", arrayOf(domain("amount", base("numeric", numericMod(12, 2), "numeric(12,2)")), -1, "public.amount[]"),
			Type{Kind: List, Wire: WireArray, Delim: ",", Name: "public.amount[]", Base: "_amount", Elem: &Type{Kind: Decimal, Wire: WireNumeric, Precision: 12, Scale: 2, Name: "public.amount", Base: "numeric"}}},
		{"array of domain over array", arrayOf(domain("ids", arrayOf(base("int4", -1, "integer"), -1, "integer[]")), -1, "public.ids[]"), text("public.ids[]", "_ids")},
		{"array of composite", arrayOf(PGType{Schema: "public", Name: "point3", Typmod: -1, TypType: 'c', Formatted: "public.point3", Delim: ','}, -1, "public.point3[]"),
			Type{Kind: List, Wire: WireText, Delim: ",", Name: "public.point3[]", Base: "_point3", Elem: &Type{Kind: String, Wire: WireText, Name: "public.point3", Base: "point3"}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := Map(c.in)
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Fatalf("got %+v, %v\nwant %+v", got, err, c.want)
			}
			var back Type
			if b, err := json.Marshal(got); err != nil || json.Unmarshal(b, &back) != nil || !reflect.DeepEqual(back, got) {
				t.Errorf("JSON %s reads back as %+v", b, back)
			}
		})
	}
}

func TestMapRefuses(t *testing.T) {
	loop := PGType{Schema: "public", Name: "loop", TypType: 'd', Typmod: -1, Formatted: "public.loop"}
	loop.Base = &loop
	for name, c := range map[string]struct {
		in   PGType
		want string
	}{
		"pseudo":             {PGType{Schema: "pg_catalog", Name: "anyarray", TypType: 'p', Typmod: -1, Formatted: "anyarray"}, "map type anyarray: a pseudo-type cannot be a column's"},
		"array of pseudo":    {arrayOf(PGType{Name: "record", TypType: 'p', Typmod: -1, Formatted: "record"}, -1, "record[]"), "map type record[]: map type record: a pseudo-type cannot be a column's"},
		"domain of nothing":  {PGType{Name: "d", TypType: 'd', Formatted: "public.d"}, "map type public.d: a domain without its base type"},
		"domain over itself": {loop, "more than 64 types deep"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Map(c.in); err == nil || !strings.HasSuffix(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestTypeJSON(t *testing.T) {
	typ := Type{Kind: List, Wire: WireArray, Delim: ",", Name: "numeric(12,2)[]", Base: "_numeric",
		Elem: &Type{Kind: Decimal, Wire: WireNumeric, Precision: 12, Scale: 2, Name: "numeric(12,2)", Base: "numeric"}}
	want := `{"kind":"list","wire":"array","elem":{"kind":"decimal","wire":"numeric","precision":12,"scale":2,"name":"numeric(12,2)","base":"numeric"},"delim":",","name":"numeric(12,2)[]","base":"_numeric"}`
	if b, err := json.Marshal(typ); err != nil || string(b) != want {
		t.Errorf("got  %s, %v\nwant %s", b, err, want)
	}
	for _, bad := range []string{`{"kind":"list2","wire":"array"}`, `{"kind":"list","wire":""}`, `{"kind":"invalid","wire":"array"}`, `{"kind":14,"wire":"array"}`} {
		if err := json.Unmarshal([]byte(bad), &Type{}); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
	if b, err := json.Marshal(Type{}); err == nil {
		t.Errorf("the invalid type was written: %s", b)
	}
}

func TestIceberg(t *testing.T) {
	for k, want := range map[Kind]string{Bool: "boolean", Int32: "int", Int64: "long", Float32: "float", Float64: "double", Decimal: "decimal(12, 2)", String: "string",
		Binary: "binary", UUID: "uuid", Date: "date", Time: "time", Timestamp: "timestamp", TimestampTZ: "timestamptz"} {
		typ := Type{Kind: k, Precision: 12, Scale: 2}
		if got := typ.Iceberg(); got != want {
			t.Errorf("%v: got %s, want %s", k, got, want)
		}
		if got := (Type{Kind: List, Elem: &typ}).Iceberg(); got != "list<"+want+">" {
			t.Errorf("list of %v: got %s", k, got)
		}
	}
}

func TestMayBeExact(t *testing.T) {
	for k, want := range map[Kind]bool{Bool: false, Int32: false, Int64: false, Float32: false, Float64: false, Decimal: true, String: false,
		Binary: false, UUID: false, Date: true, Time: true, Timestamp: true, TimestampTZ: true, List: true} {
		if got := (Type{Kind: k}).MayBeExact(); got != want {
			t.Errorf("%v: got %v", k, got)
		}
	}
}
