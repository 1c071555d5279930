package coltype

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"frostline/internal/pgtest"
)

// oracle is a real server with the pinned settings, asked what its input and output functions do.
type oracle struct {
	db    *pgtest.DB
	tried map[string]bool
}

func newOracle(t *testing.T) *oracle {
	db := pgtest.Start(t).Database(t)
	db.Exec(t, `SET DateStyle = ISO; SET TimeZone = UTC; SET extra_float_digits = 3; SET bytea_output = hex;
		CREATE TYPE mood AS ENUM ('sad', 'ok', 'very happy')`)
	return &oracle{db: db, tried: map[string]bool{}}
}

var (
	bareDot     = regexp.MustCompile(`\d\.(\D|$)`) // 10:20:30. is a time from 15
	leadingZero = regexp.MustCompile(`^\s*[-+]?0\d`)
)

// settled are the texts that the server's version reads as 15 does, whose rules are ours.
func (o *oracle) settled(pgType string, texts []string) []string {
	major := o.db.Server.Major
	return slices.DeleteFunc(slices.Clone(texts), func(s string) bool {
		switch pgType {
		case "date", "time", "timestamp", "timestamptz":
			return major < 15 && bareDot.MatchString(s)
		case "numeric":
			return major < 14 && strings.Contains(strings.ToLower(s), "inf") // infinite numerics came with 14
		case "oid":
			return major >= 16 && leadingZero.MatchString(s) // octal from 16
		}
		return false
	})
}

// array is the literal of a text[] of list; it is written apart from AppendArray, which is under test.
func (o *oracle) array(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
	}
	return "{" + strings.Join(quoted, ",") + "}"
}

// try makes the function that reads a text as pgType and gives NULL where that is refused.
func (o *oracle) try(t *testing.T, pgType string) string {
	name := `"try ` + pgType + `"`
	if !o.tried[name] {
		o.tried[name] = true
		o.db.Exec(t, fmt.Sprintf(`CREATE FUNCTION %s(s text) RETURNS %s LANGUAGE plpgsql AS $f$
			BEGIN RETURN s::%s; EXCEPTION WHEN OTHERS THEN RETURN NULL; END $f$`, name, pgType, pgType))
	}
	return name
}

// print is what the server prints for each of list read as pgType; pgtest.Null where it refuses it.
func (o *oracle) print(t *testing.T, pgType string, list []string) []string {
	rows := o.db.Query(t, `SELECT `+o.try(t, pgType)+`(s) FROM unnest($1::text[]) WITH ORDINALITY AS u(s, n) ORDER BY n`, o.array(list))
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = r[0]
	}
	return out
}

// rank is each value's rank among list in the server's order.
func (o *oracle) rank(t *testing.T, pgType string, list []string) []string {
	rows := o.db.Query(t, `SELECT dense_rank() OVER (ORDER BY `+o.try(t, pgType)+`(s) `+collate(pgType)+`) FROM unnest($1::text[]) WITH ORDINALITY AS u(s, n) ORDER BY n`, o.array(list))
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = r[0]
	}
	return out
}

func collate(pgType string) string {
	if pgType == "text" {
		return `COLLATE "C"`
	}
	return ""
}

// oracleTypes are the types with a typed value, as Map gives them.
var oracleTypes = []struct {
	pgType string
	t      Type
}{
	{"bool", Type{Kind: Bool, Base: "bool"}},
	{"int2", Type{Kind: Int32, Base: "int2"}},
	{"int4", Type{Kind: Int32, Base: "int4"}},
	{"int8", Type{Kind: Int64, Base: "int8"}},
	{"oid", Type{Kind: Int64, Base: "oid"}},
	{"float4", Type{Kind: Float32, Base: "float4"}},
	{"float8", Type{Kind: Float64, Base: "float8"}},
	{"numeric", Type{Kind: String, Base: "numeric"}},
	{"text", Type{Kind: String, Base: "text"}},
	{"name", Type{Kind: String, Base: "name"}},
	{"mood", Type{Kind: String, Base: "mood", Labels: []string{"sad", "ok", "very happy"}}},
	{"bytea", Type{Kind: Binary, Base: "bytea"}},
	{"uuid", Type{Kind: UUID, Base: "uuid"}},
	{"date", Type{Kind: Date, Base: "date"}},
	{"time", Type{Kind: Time, Base: "time"}},
	{"timestamp", Type{Kind: Timestamp, Base: "timestamp"}},
	{"timestamptz", Type{Kind: TimestampTZ, Base: "timestamptz"}},
}
