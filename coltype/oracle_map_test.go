package coltype

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestOracleMap maps every type of a real server's catalog, its arrays too: all but the
// pseudo-types have a form, and exactly the types of the table have a typed one.
func TestOracleMap(t *testing.T) {
	o := newOracle(t)
	if o.db.Server.Major < 15 {
		t.Skip("numeric(5,-2) came with 15")
	}
	o.db.Exec(t, `CREATE DOMAIN d1 AS numeric(12,2); CREATE DOMAIN d2 AS d1; CREATE DOMAIN ids AS int[]; CREATE TYPE pair AS (a int, b text);
		CREATE TABLE t (n numeric(5,-2), m numeric(38,7)[], d d2, da d2[], ids ids, idsa ids[], p pair, pa pair[], e mood, ea mood[], v varchar(7), iv interval(3)[])`)
	wants := map[string]string{
		"n": "string numeric numeric numeric(5,-2)", "m": "list<decimal(38, 7)> array _numeric numeric(38,7)[]", "d": "decimal(12, 2) numeric numeric d2",
		"da": "list<decimal(12, 2)> array _d2 d2[]", "ids": "list<int> array _int4 ids", "idsa": "string text _ids ids[]", "p": "string text pair pair", "pa": "list<string> text _pair pair[]",
		"e": "string raw mood mood", "ea": "list<string> array _mood mood[]", "v": "string raw varchar character varying(7)", "iv": "list<string> text _interval interval(3)[]",
	}
	if o.db.One(t, `SELECT count(*) FROM pg_available_extensions WHERE name = 'citext'`) == "1" {
		o.db.Exec(t, `CREATE EXTENSION citext; ALTER TABLE t ADD ci citext, ADD cia citext[]`)
		wants["ci"], wants["cia"] = "string raw citext citext", "list<string> array _citext citext[]"
	}
	types := map[string]PGType{}
	for _, r := range o.db.Query(t, `SELECT t.oid, n.nspname, t.typname, t.typtype, t.typdelim, coalesce(s.proname, ''), format_type(t.oid, NULL),
			CASE WHEN t.typinput = 'array_in'::regproc AND t.typlen = -1 THEN t.typelem ELSE 0 END, t.typbasetype, t.typtypmod
			FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_proc s ON s.oid = t.typsend`) {
		mod, _ := strconv.Atoi(r[9])
		types[r[0]] = PGType{Schema: r[1], Name: r[2], TypType: r[3][0], Delim: r[4][0], Send: r[5], Formatted: r[6], Typmod: int32(mod),
			Elem: &PGType{Name: r[7]}, Base: &PGType{Name: r[8]}}
	}
	var link func(oid string, mod int32) PGType
	link = func(oid string, mod int32) PGType {
		p := types[oid]
		elem, base, domainMod := p.Elem.Name, p.Base.Name, p.Typmod
		p.Elem, p.Base, p.Typmod = nil, nil, mod
		if elem != "0" {
			e := link(elem, -1)
			p.Elem = &e
		}
		if base != "0" {
			b := link(base, domainMod)
			p.Base = &b
		}
		return p
	}
	o.db.Exec(t, `CREATE FUNCTION why(typ text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN
		EXECUTE format('SELECT %L::%s', '', typ); RETURN ''; EXCEPTION WHEN feature_not_supported THEN RETURN sqlerrm; END $$`)
	var typed []string
	pseudo := 0
	for oid := range types {
		p := link(oid, -1)
		got, err := Map(p)
		if p.TypType == 'p' || p.Elem != nil && p.Elem.TypType == 'p' {
			pseudo++
			if err == nil {
				t.Errorf("pseudo-type %s got the form %+v", p.Name, got)
			}
			continue
		}
		refused := p.Name
		if p.Elem != nil {
			refused = p.Elem.Name
		}
		if unreadable[refused] {
			// It is unreadable indeed, or a value would be read or found malformed.
			if msg := o.db.One(t, `SELECT why($1)`, refused); err == nil || msg == "" {
				t.Errorf("%s is refused with %v, the server says %q", p.Name, err, msg)
			}
			continue
		}
		if err != nil || got.Kind == Invalid || got.Wire == WireInvalid {
			t.Errorf("%s: %+v, %v", p.Name, got, err)
		}
		if isList := got.Kind == List; isList != (p.Send == "array_send" && p.Name != "_ids" || p.Name == "ids") {
			t.Errorf("%s: a list is %v", p.Name, isList)
		}
		if p.Schema == "pg_catalog" && p.TypType == 'b' && p.Elem == nil && got.Wire != WireText {
			typed = append(typed, p.Name)
		}
	}
	slices.Sort(typed)
	want := "bool bpchar bytea date float4 float8 int2 int4 int8 json jsonb name numeric oid text time timestamp timestamptz uuid varchar"
	if got := strings.Join(typed, " "); got != want {
		t.Errorf("typed forms of %s\nwant %s", got, want)
	}
	if pseudo < 20 {
		t.Errorf("only %d pseudo-types were seen", pseudo)
	}
	for _, r := range o.db.Query(t, `SELECT attname, atttypid, atttypmod, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0`) {
		mod, _ := strconv.Atoi(r[2])
		p := link(r[1], int32(mod))
		p.Formatted = r[3]
		got, err := Map(p)
		if text := got.Iceberg() + " " + got.Wire.String() + " " + got.Base + " " + got.Name; err != nil || text != wants[r[0]] {
			t.Errorf("column %s: got %s, %v, want %s", r[0], text, err, wants[r[0]])
		}
		delete(wants, r[0])
	}
	if len(wants) != 0 {
		t.Errorf("not seen: %v", wants)
	}
}
