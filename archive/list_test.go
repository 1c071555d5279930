package archive_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"frostline/archive"
	"frostline/iceberg"
	"frostline/objstore"
	"frostline/objstore/faultstore"
)

const twoTables = monthly + `;
	INSERT INTO tx (at, note) SELECT '2024-02-10', 'f' || i FROM generate_series(1, 50) i;
	CREATE SCHEMA "Od.d";
	CREATE TABLE "Od.d"."ta ble" (id int, day date);
	INSERT INTO "Od.d"."ta ble" SELECT i, '2024-01-01'::date + i % 10 FROM generate_series(1, 100) i`

// offline is an archiver over the bench's warehouse that has no server.
func (b *bench) offline() *archive.Archiver {
	return &archive.Archiver{Store: b.store, Catalog: iceberg.NewCatalog(b.store), Version: "test"}
}

func (b *bench) read(key string) []byte {
	b.t.Helper()
	r, _, err := b.store.Get(b.t.Context(), key)
	if err != nil {
		b.t.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		b.t.Fatal(err)
	}
	return data
}

func (b *bench) put(key string, data []byte) {
	b.t.Helper()
	if _, err := b.store.Put(b.t.Context(), key, bytes.NewReader(data)); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) keys(prefix string) (keys []string) {
	b.t.Helper()
	for o, err := range b.store.List(b.t.Context(), prefix) {
		if err != nil {
			b.t.Fatal(err)
		}
		keys = append(keys, o.Key)
	}
	return keys
}

func odd(value string) archive.Request {
	req := request("ta ble", "day", value)
	req.Table.Schema = "Od.d"
	return req
}

func TestList(t *testing.T) {
	b := newBench(t, twoTables)
	first := b.run(request("tx", "at", "2024-01"))
	b.run(request("tx", "at", "2024-02"))
	b.run(odd("2024-01-03"))
	b.store.Reset()
	for _, c := range []struct {
		name  string
		scope archive.Scope
		want  string
	}{
		{"all", archive.Scope{}, "Od.d.ta ble: day=2024-01-03 10; public.tx: at=2024-01 1000, at=2024-02 50; 3 partitions, 1060 rows"},
		{"a schema", archive.Scope{Schema: "Od.d"}, "Od.d.ta ble: day=2024-01-03 10; 1 partitions, 10 rows"},
		{"a table", archive.Scope{Schema: "public", Table: "tx"}, "public.tx: at=2024-01 1000, at=2024-02 50; 2 partitions, 1050 rows"},
		{"a partition", archive.Scope{Schema: "public", Table: "tx", Partition: "at=2024-02"}, "public.tx: at=2024-02 50; 1 partitions, 50 rows"},
		{"no such schema", archive.Scope{Schema: "nowhere"}, "0 partitions, 0 rows"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := b.offline().List(t.Context(), c.scope)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, table := range l.Tables {
				var parts []string
				for _, p := range table.Partitions {
					parts = append(parts, fmt.Sprintf("%s %d", p.Partition, p.Records))
				}
				got = append(got, table.Table+": "+strings.Join(parts, ", "))
			}
			got = append(got, fmt.Sprintf("%d partitions, %d rows", l.Partitions, l.Records))
			equal(t, "listing", strings.Join(got, "; "), c.want)
		})
	}
	for _, c := range b.store.Calls() {
		if c.Op == faultstore.ReadRanges || strings.HasSuffix(c.Key, ".parquet") || strings.Contains(c.Key, "schema_snapshot") {
			t.Errorf("list looked at %s", c.Key)
		}
	}
	l, err := b.offline().List(t.Context(), archive.Scope{Schema: "public", Table: "tx", Partition: "at=2024-01"})
	if err != nil {
		t.Fatal(err)
	}
	p := l.Tables[0].Partitions[0]
	equal(t, "digest", p.Digest, first.Digest)
	equal(t, "location", p.Location, first.Location)
	equal(t, "run", p.RunID, first.RunID)
	equal(t, "snapshot", p.SnapshotID, first.SnapshotID)
	equal(t, "bytes", p.Bytes, first.Bytes)
	equal(t, "archived at", p.Archived.Equal(first.Archived), true)
	equal(t, "retired", p.Retired, "unknown")
	equal(t, "partitioning", l.Tables[0].Partitioning, "month(at)")

	for _, c := range []struct {
		scope archive.Scope
		want  error
		says  string
	}{
		{archive.Scope{Schema: "public", Table: "ty"}, iceberg.ErrNoTable, "public.ty"},
		{archive.Scope{Schema: "public", Table: "tx", Partition: "at=2024-03"}, iceberg.ErrNoPartition, "archived are at=2024-01, at=2024-02"},
		{archive.Scope{Partition: "at=2024-01"}, archive.ErrBadInput, "without its table"},
	} {
		if _, err := b.offline().List(t.Context(), c.scope); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v: %v, want %v and %q", c.scope, err, c.want, c.says)
		}
	}
}

// A table that is not there: all that take a name tell of those that resemble it, and of no others.
func TestTheNearestTable(t *testing.T) {
	b := newBench(t, twoTables)
	b.run(request("tx", "at", "2024-01"))
	b.run(odd("2024-01-03"))
	for name, want := range map[string]string{"tx1": "no Iceberg table; nearest: public/tx", "something else": "no Iceberg table"} {
		scope := archive.Scope{Schema: "public", Table: name, Partition: "at=2024-01"}
		_, list := b.offline().List(t.Context(), scope)
		_, show := b.offline().Show(t.Context(), scope)
		_, check := b.offline().Check(t.Context(), archive.CheckRequest{Scope: scope})
		_, gc := b.offline().GC(t.Context(), archive.GCRequest{Scope: archive.Scope{Schema: "public", Table: name}})
		for op, err := range map[string]error{"list": list, "show": show, "verify": check, "gc": gc} {
			if !errors.Is(err, iceberg.ErrNoTable) || !strings.HasSuffix(err.Error(), want) {
				t.Errorf("%s of %s: %v, want %q", op, name, err, want)
			}
		}
	}
}

// One table whose metadata is broken is listed with its error, beside the others.
func TestListOfABrokenTable(t *testing.T) {
	b := newBench(t, twoTables)
	b.run(request("tx", "at", "2024-01"))
	b.run(odd("2024-01-03"))
	b.put("Od.2Ed/ta.20ble/metadata/v2.metadata.json", []byte("{"))
	l, err := b.offline().List(t.Context(), archive.Scope{})
	if !errors.Is(err, iceberg.ErrCorrupt) || !errors.Is(l.Err(), iceberg.ErrCorrupt) {
		t.Fatalf("error %v", err)
	}
	equal(t, "status", l.Status, "damaged")
	equal(t, "tables", len(l.Tables), 2)
	equal(t, "the error is shown", strings.Contains(l.Tables[0].Error, "version 2"), true)
	equal(t, "the other table", l.Tables[1].Partitions[0].Records, int64(1000))
}

func TestShow(t *testing.T) {
	b := newBench(t, monthly, "COMMENT ON TABLE tx IS 'x'", "CREATE INDEX tx_note ON tx (note)")
	res := b.run(request("tx", "at", "2024-01"))
	r, err := b.offline().Show(t.Context(), archive.Scope{Schema: "public", Table: "tx", Partition: "at=2024-01"})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "digest", r.Digest, res.Digest)
	var text strings.Builder
	if err := archive.WriteRecord(&text, r); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"public"."tx"`, "at=2024-01", "FOR VALUES FROM", "1000", res.Digest, res.RunID, "numeric(12,2)", r.Files[0].SHA256, "PRIMARY KEY", "note", "id, at",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the text has no %q:\n%s", want, text.String())
		}
	}
	for _, c := range []struct {
		scope archive.Scope
		want  error
	}{
		{archive.Scope{Schema: "public", Table: "tx"}, archive.ErrBadInput},
		{archive.Scope{Schema: "public", Table: "tz", Partition: "at=2024-01"}, iceberg.ErrNoTable},
		{archive.Scope{Schema: "public", Table: "tx", Partition: "at=2024-02"}, iceberg.ErrNoPartition},
	} {
		if _, err := b.offline().Show(t.Context(), c.scope); !errors.Is(err, c.want) {
			t.Errorf("%v: %v, want %v", c.scope, err, c.want)
		}
	}
	if err := b.store.Delete(t.Context(), "public/tx/at=2024-01/schema_snapshot-"+res.RunID+".json"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.offline().Show(t.Context(), archive.Scope{Schema: "public", Table: "tx", Partition: "at=2024-01"}); !errors.Is(err, objstore.ErrNotExist) {
		t.Errorf("without its record: %v", err)
	}
}

// What stands in names cannot move the cursor of a terminal or start a line.
func TestTextIsHarmless(t *testing.T) {
	var text strings.Builder
	l := &archive.Listing{Tables: []archive.ListedTable{{Table: "public.\x1b[31mred\n", Partitions: []archive.ListedPartition{{Partition: "a\tb=é\u009b"}}}}}
	if err := archive.WriteListing(&text, l); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`public.\x1b[31mred\x0a`, `a\x09b=é\x9b`} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q has no %q", text.String(), want)
		}
	}
	equal(t, "lines", strings.Count(text.String(), "\n"), 3)
}

func TestSize(t *testing.T) {
	for bytes, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536 << 10: "1.5 MiB", 1 << 40: "1.0 TiB", 9223372036854775807: "8.0 EiB"} {
		equal(t, fmt.Sprint(bytes), archive.Size(bytes), want)
	}
}
