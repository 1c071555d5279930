package archive_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
	"time"

	"frostline/archive"
	"frostline/iceberg"
	"frostline/internal/s3test"
	"frostline/objstore"
	"frostline/objstore/faultstore"
)

const day = 24 * time.Hour

// killed runs an archive that ends at its commit, which does not happen, and leaves everything, as if it were killed.
func (b *bench) killed(req archive.Request) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	version := fmt.Sprintf("v%d.metadata.json", b.version("public/"+req.Table.Table)+1)
	b.store.Add(faultstore.Rule{Op: faultstore.Create, Match: faultstore.Suffix(version), Do: func(string) { cancel() }})
	defer b.store.Reset()
	if _, err := b.a.Run(ctx, req); err == nil {
		b.t.Fatalf("%+v was not stopped", req)
	}
}

// version is the table's; 1 before there is one, since a run makes the table first.
func (b *bench) version(key string) int {
	b.t.Helper()
	t, err := iceberg.NewCatalog(b.store).Load(b.t.Context(), key)
	if errors.Is(err, iceberg.ErrNoTable) {
		return 1
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return t.Version()
}

func (b *bench) gc(req archive.GCRequest) *archive.GC {
	b.t.Helper()
	g, err := b.offline().GC(b.t.Context(), req)
	if err != nil {
		b.t.Fatalf("gc: %v", err)
	}
	return g
}

// kinds are what kinds of leftovers there are, in the order of the listing.
func kinds(g *archive.GC) string {
	var out []string
	for _, l := range g.Leftovers {
		out = append(out, l.Kind)
	}
	return strings.Join(out, " ")
}

// proven checks the whole warehouse.
func (b *bench) proven(partitions int) {
	b.t.Helper()
	res, err := b.offline().Check(b.t.Context(), archive.CheckRequest{})
	if err != nil {
		b.t.Fatal(err)
	}
	equal(b.t, "proven partitions", res.Proven, partitions)
}

func later(d time.Duration) time.Time { return time.Now().Add(d) }

func TestGCOfAKilledRun(t *testing.T) {
	b := newBench(t, monthly)
	b.killed(request("tx", "at", "2024-01"))
	before := b.keys("")

	g := b.gc(archive.GCRequest{})
	equal(t, "young", fmt.Sprint(g.Status, g.Young, g.Files), "planned4 0")
	g = b.gc(archive.GCRequest{Now: later(25 * time.Hour)})
	equal(t, "planned", kinds(g), "data record manifest manifest")
	equal(t, "deleted", g.Deleted, 0)
	equal(t, "objects", strings.Join(b.keys(""), " "), strings.Join(before, " "))
	if l := g.Leftovers[0]; !regexp.MustCompile(`^\d{8}T\d{6}Z-[0-9a-f]{8}$`).MatchString(l.RunID) || l.Bytes == 0 || l.Table != "public/tx" || !strings.Contains(l.Object, l.RunID) {
		t.Errorf("%+v", l)
	}

	g = b.gc(archive.GCRequest{Now: later(25 * time.Hour), Delete: true})
	equal(t, "deleted", fmt.Sprint(g.Status, g.Deleted, g.Files), "deleted4 4")
	equal(t, "the table's folder", strings.Join(b.keys("public/"), " "), "public/tx/metadata/v1.metadata.json public/tx/metadata/version-hint.text")
	equal(t, "again", b.gc(archive.GCRequest{Now: later(25 * time.Hour), Delete: true}).Files, 0)
	b.run(request("tx", "at", "2024-01"))
	equal(t, "after all", b.gc(archive.GCRequest{Now: later(25 * time.Hour)}).Files, 0)
	b.proven(1)
}

// What an old snapshot names stays, with its record, and so does everything that is not ours to remove.
func TestGCKeepsWhatIsNamed(t *testing.T) {
	b := newBench(t, monthly)
	b.run(request("tx", "at", "2024-01"))
	b.sql.Exec(t, `INSERT INTO tx (at, note) VALUES ('2024-01-20', 'late')`)
	req := request("tx", "at", "2024-01")
	req.Replace = true
	b.run(req)
	b.run(request("tx", "at", "2024-02"))
	for _, key := range []string{
		"public/tx/at=2024-01/data/notes.txt", "public/tx/at=2024-01/data/part-0.parquet", "public/tx/at=2024-01/README", "public/tx/metadata/stats.puffin",
		"public/tx/data/20200101T000000Z-00000000-00-0000.parquet", "public/other/at=1/data/20200101T000000Z-00000000-00-0000.parquet",
		"public/tx/at=2024-01/schema_snapshot-old.json", "elsewhere/x", "_probe-short.txt",
	} {
		b.put(key, []byte("x"))
	}
	before := b.keys("")
	g := b.gc(archive.GCRequest{Now: later(1000 * day), Delete: true})
	equal(t, "removed", kinds(g), "")
	equal(t, "objects", strings.Join(b.keys(""), "\n"), strings.Join(before, "\n"))
	// The old snapshot can still be read whole.
	c := iceberg.NewCatalog(b.store)
	table, err := c.Load(t.Context(), "public/tx")
	if err != nil {
		t.Fatal(err)
	}
	snapshots := regexp.MustCompile(`"snapshot-id":\s*(\d+),`).FindAllStringSubmatch(string(b.read(strings.TrimPrefix(table.MetadataLocation(), b.store.Root()+"/"))), -1)
	equal(t, "there are old snapshots", len(snapshots) >= 3, true)
	for _, s := range snapshots {
		var id int64
		fmt.Sscan(s[1], &id)
		plan, err := c.Plan(t.Context(), table, id)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range plan {
			for _, f := range p.Files {
				if _, err := b.store.Stat(t.Context(), strings.TrimPrefix(f.Location, b.store.Root()+"/")); err != nil {
					t.Errorf("snapshot %d: %v", id, err)
				}
			}
		}
	}
	b.proven(2)
}

// Snapshots that are too old go, and with them what only they name: the files of replaced archives. What is archived stays proven, and
// so does what a snapshot that is kept knows of a partition whose own snapshot has expired.
func TestGCExpires(t *testing.T) {
	b := newBench(t, monthly)
	first := b.run(request("tx", "at", "2024-01"))
	b.sql.Exec(t, `INSERT INTO tx (at, note) VALUES ('2024-01-20', 'late')`)
	req := request("tx", "at", "2024-01")
	req.Replace = true
	second := b.run(req)
	b.run(request("tx", "at", "2024-02"))

	_, err := b.offline().GC(t.Context(), archive.GCRequest{Expire: time.Hour})
	if !errors.Is(err, archive.ErrBadInput) || !strings.Contains(err.Error(), "less than --min-age 24h") {
		t.Errorf("too short: %v", err)
	}
	equal(t, "young snapshots", len(b.gc(archive.GCRequest{Expire: 30 * day, Delete: true}).Expired), 0)

	before := b.keys("")
	plan := b.gc(archive.GCRequest{Expire: 30 * day, Now: later(31 * day)})
	equal(t, "planned", fmt.Sprint(plan.Status, len(plan.Expired), plan.Expired[0].Partition, " ", kinds(plan)), "planned2at=2024-01 data record manifest manifest manifest")
	equal(t, "the plan changes nothing", strings.Join(b.keys(""), "\n"), strings.Join(before, "\n"))
	done := b.gc(archive.GCRequest{Expire: 30 * day, Now: later(31 * day), Delete: true})
	equal(t, "as planned", fmt.Sprint(done.Expired, kinds(done), done.Bytes), fmt.Sprint(plan.Expired, kinds(plan), plan.Bytes))
	equal(t, "deleted", done.Deleted, 5)
	equal(t, "again", len(b.gc(archive.GCRequest{Expire: 30 * day, Now: later(31 * day), Delete: true}).Expired), 0)
	for _, key := range b.keys("") {
		if strings.Contains(key, first.RunID) && !strings.HasPrefix(key, "_audit/") {
			t.Errorf("%s of the replaced archive is still there", key)
		}
	}
	b.proven(2)

	c := iceberg.NewCatalog(b.store)
	table, err := c.Load(t.Context(), "public/tx")
	if err != nil {
		t.Fatal(err)
	}
	rec, _, err := c.ReadRecordAt(t.Context(), table, "at=2024-01", table.SnapshotID())
	if err != nil || rec.RunID != second.RunID {
		t.Errorf("the record of a partition whose snapshot has expired: %+v, %v", rec, err)
	}
	b.sql.Exec(t, `INSERT INTO tx (at, note) VALUES ('2024-01-21', 'later')`)
	equal(t, "after all", b.run(req).Action, "replaced")
	b.proven(2)
}

// file is the path of an object of the bench's file warehouse.
func (b *bench) file(key string) string {
	return path.Join(strings.TrimPrefix(b.store.Root(), "file://"), key)
}

func (b *bench) age(key string, old time.Duration) {
	b.t.Helper()
	then := time.Now().Add(-old)
	if err := os.Chtimes(b.file(key), then, then); err != nil {
		b.t.Fatal(err)
	}
}

// A run is one: a young file of it, or a young start, protects all of its files, however old.
func TestGCKeepsARunTogether(t *testing.T) {
	b := newBench(t, monthly)
	b.run(request("tx", "at", "2024-01"))
	old := time.Now().Add(-50 * time.Hour).UTC().Format("20060102T150405Z")
	young := time.Now().Add(-2 * time.Hour).UTC().Format("20060102T150405Z")
	at := "public/tx/at=2024-01/data/"
	for key, modified := range map[string]time.Duration{
		at + old + "-aaaaaaaa-00-0000.parquet":                                   30 * time.Hour, // with a file of two hours ago
		at + old + "-aaaaaaaa-01-0000.parquet":                                   2 * time.Hour,
		at + young + "-bbbbbbbb-00-0000.parquet":                                 30 * time.Hour, // by its name: started two hours ago
		at + old + "-cccccccc-00-0000.parquet":                                   30 * time.Hour,
		"public/tx/at=2024-01/schema_snapshot-" + old + "-cccccccc.json":         26 * time.Hour,
		"public/tx/metadata/12345678-1234-1234-1234-123456789abc-m0.avro":        26 * time.Hour,
		"public/tx/metadata/22345678-1234-1234-1234-123456789abc-m0.avro":        23 * time.Hour,
		"public/tx/metadata/snap-77-1-12345678-1234-1234-1234-123456789abc.avro": 26 * time.Hour,
		"_probe-ABCDEFGHIJKLMNOPQRSTUVWXYZ":                                      26 * time.Hour,
		"_probe-234567":                                                          time.Hour,
	} {
		b.put(key, []byte("x"))
		b.age(key, modified)
	}
	g := b.gc(archive.GCRequest{Delete: true})
	var removed []string
	for _, l := range g.Leftovers {
		removed = append(removed, strings.TrimPrefix(l.Object, b.store.Root()+"/"))
	}
	equal(t, "removed", strings.Join(removed, "\n"), strings.Join([]string{
		at + old + "-cccccccc-00-0000.parquet",
		"public/tx/at=2024-01/schema_snapshot-" + old + "-cccccccc.json",
		"public/tx/metadata/12345678-1234-1234-1234-123456789abc-m0.avro",
		"public/tx/metadata/snap-77-1-12345678-1234-1234-1234-123456789abc.avro",
		"_probe-ABCDEFGHIJKLMNOPQRSTUVWXYZ",
	}, "\n"))
	equal(t, "young", g.Young, 5)
	// A longer age keeps more, a shorter one less.
	equal(t, "of 40 h", b.gc(archive.GCRequest{MinAge: 40 * time.Hour}).Files, 0)
	equal(t, "of 1 h", b.gc(archive.GCRequest{MinAge: time.Hour}).Files, 5)
	b.proven(1)
}

// Whatever gc does while a run is between its first file and its commit, the run's partition is whole after.
func TestGCBesideARun(t *testing.T) {
	b := newBench(t, monthly)
	b.killed(request("tx", "at", "2024-01"))
	for _, key := range b.keys("public/tx/") {
		b.age(key, 30*time.Hour)
	}
	started := regexp.MustCompile(`\d{8}T\d{6}Z-`)
	for _, key := range b.keys("public/tx/at") { // the killed run began two days ago
		aged := started.ReplaceAllString(key, time.Now().Add(-48*time.Hour).UTC().Format("20060102T150405Z-"))
		if err := os.Rename(b.file(key), b.file(aged)); err != nil {
			t.Fatal(err)
		}
	}
	deleted := 0
	for op, match := range map[faultstore.Op]string{faultstore.Put: ".parquet", faultstore.ReadRanges: ".parquet", faultstore.Create: "v2.metadata.json"} {
		b.store.Add(faultstore.Rule{Op: op, Match: faultstore.Suffix(match), Nth: 1, Kind: faultstore.Slow, Do: func(string) {
			deleted += b.gc(archive.GCRequest{MinAge: time.Hour, Delete: true}).Deleted
		}})
	}
	b.run(request("tx", "at", "2024-01"))
	equal(t, "leftovers of the killed run that were removed", deleted, 4)
	equal(t, "table", b.rows("tx"), "at=2024-01 1000/1000")
	b.proven(1)
	equal(t, "left over", b.gc(archive.GCRequest{Now: later(25 * time.Hour)}).Files, 0)
}

// A commit that comes between gc's look at the table and its removing is seen, even when all its files are old enough to go.
func TestGCSeesALateCommit(t *testing.T) {
	b := newBench(t, twoTables)
	b.run(request("tx", "at", "2024-01"))
	waiting, release, ended := make(chan bool), make(chan bool), make(chan error)
	b.store.Add(faultstore.Rule{Op: faultstore.Create, Match: faultstore.Suffix("v3.metadata.json"), Nth: 1, Kind: faultstore.Slow, Do: func(string) {
		close(waiting)
		<-release
	}})
	go func() {
		_, err := b.a.Run(t.Context(), request("tx", "at", "2024-02"))
		ended <- err
	}()
	<-waiting
	hooked := faultstore.Wrap(b.store, faultstore.Rule{Op: faultstore.Get, Match: faultstore.Suffix("-m0.avro"), Nth: 1, Kind: faultstore.Slow, Do: func(string) {
		close(release)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}})
	a := &archive.Archiver{Store: hooked, Catalog: iceberg.NewCatalog(hooked)}
	g, err := a.GC(t.Context(), archive.GCRequest{Now: later(25 * time.Hour), Delete: true})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "removed", kinds(g), "")
	equal(t, "table", b.rows("tx"), "at=2024-01 1000/1000, at=2024-02 50/50")
	b.proven(2)
}

// Below a table that cannot be read nothing is removed; the others are cleaned.
func TestGCLeavesADamagedTableAlone(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(b *bench)
		want   error // nil: skipped with a reason only
		says   string
	}{
		{"garbage for metadata", func(b *bench) { b.put("public/tx/metadata/v1.metadata.json", []byte("garbage")) }, iceberg.ErrCorrupt, "version 1"},
		{"a newer version of garbage", func(b *bench) { b.put("public/tx/metadata/v2.metadata.json", []byte("garbage")) }, iceberg.ErrCorrupt, "version 2"},
		{"a broken manifest list", func(b *bench) {
			b.run(request("tx", "at", "2024-02"))
			for _, key := range b.keys("public/tx/metadata/snap-") {
				b.put(key, []byte("garbage"))
			}
		}, iceberg.ErrCorrupt, "manifest list"},
		{"another catalog's metadata", func(b *bench) {
			b.put("public/tx/metadata/00003-9fd0b8c2-1111-2222-3333-444455556666.metadata.json", []byte("{}"))
		}, nil, "another catalog"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, monthly, `CREATE TABLE d (day date); INSERT INTO d VALUES ('2024-01-01')`)
			b.killed(request("tx", "at", "2024-01"))
			b.killed(request("d", "day", "2024-01-01"))
			c.damage(b)
			before := b.keys("public/tx/")
			g, err := b.offline().GC(t.Context(), archive.GCRequest{Now: later(25 * time.Hour), Delete: true})
			if !errors.Is(err, c.want) || !errors.Is(g.Err(), c.want) {
				t.Fatalf("error %v, want %v", err, c.want)
			}
			equal(t, "objects of tx", strings.Join(b.keys("public/tx/"), " "), strings.Join(before, " "))
			equal(t, "removed", kinds(g), "data record manifest manifest")
			if len(g.Skipped) != 1 || g.Skipped[0].Table != "public/tx" || !strings.Contains(g.Skipped[0].Reason, c.says) {
				t.Errorf("skipped %+v", g.Skipped)
			}
			equal(t, "status", g.Status, map[bool]string{true: "damaged", false: "deleted"}[c.want != nil])
		})
	}
}

func TestGCErrors(t *testing.T) {
	b := newBench(t, monthly)
	if _, err := b.offline().GC(t.Context(), archive.GCRequest{MinAge: 59 * time.Minute}); !errors.Is(err, archive.ErrBadInput) {
		t.Errorf("a short age: %v", err)
	}
	if _, err := b.offline().GC(t.Context(), archive.GCRequest{Scope: archive.Scope{Schema: "public", Table: "tz"}}); !errors.Is(err, iceberg.ErrNoTable) {
		t.Errorf("no table: %v", err)
	}
	b.killed(request("tx", "at", "2024-01"))
	for _, c := range []struct {
		op   faultstore.Op
		kind faultstore.Kind
	}{{faultstore.List, faultstore.Fail}, {faultstore.List, faultstore.Truncate}, {faultstore.Get, faultstore.Fail}, {faultstore.Delete, faultstore.Fail}} {
		before := b.keys("")
		b.store.Add(faultstore.Rule{Op: c.op, Kind: c.kind, Err: objstore.ErrUnreachable})
		_, err := b.offline().GC(t.Context(), archive.GCRequest{Now: later(25 * time.Hour), Delete: true})
		b.store.Reset()
		if !errors.Is(err, objstore.ErrUnreachable) {
			t.Errorf("%s: %v", c.op, err)
		}
		equal(t, "objects", strings.Join(b.keys(""), " "), strings.Join(before, " "))
	}
}

func TestGCOnS3(t *testing.T) {
	b := newBench(t, monthly)
	store, err := objstore.Open(t.Context(), s3test.Start(t).Warehouse(t), objstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b.store = faultstore.Wrap(store)
	b.a.Store, b.a.Catalog = b.store, iceberg.NewCatalog(b.store)
	b.killed(request("tx", "at", "2024-01"))
	b.run(request("tx", "at", "2024-02"))
	equal(t, "young", b.gc(archive.GCRequest{Delete: true}).Young, 4)
	equal(t, "removed", kinds(b.gc(archive.GCRequest{Now: later(25 * time.Hour), Delete: true})), "data record manifest manifest")
	b.run(request("tx", "at", "2024-01"))
	b.proven(2)
}
