package archive_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"frostline/archive"
	"frostline/iceberg"
	"frostline/internal/s3test"
	"frostline/objstore"
	"frostline/objstore/faultstore"
)

// days archives n days of a plain table, 10 rows each.
func days(t *testing.T, n int) *bench {
	b := newBench(t, fmt.Sprintf(`CREATE TABLE d (day date, v text); INSERT INTO d SELECT '2024-01-01'::date + i %% %d, 'v' || i FROM generate_series(1, %d) i`, n, 10*n))
	for i := range n {
		b.run(request("d", "day", fmt.Sprintf("2024-01-%02d", i+1)))
	}
	b.store.Reset()
	return b
}

// dataKey is the key of the only data file of a day.
func (b *bench) dataKey(day int) string {
	b.t.Helper()
	keys := b.keys(fmt.Sprintf("public/d/day=2024-01-%02d/data/", day))
	if len(keys) != 1 {
		b.t.Fatalf("day %d has files %v", day, keys)
	}
	return keys[0]
}

func objects(flaws []archive.Flaw) string {
	var out []string
	for _, f := range flaws {
		i := strings.Index(f.Object, "/public/")
		out = append(out, f.Object[max(i, 0):])
	}
	return strings.Join(out, " ")
}

func TestCheckOfAWholeWarehouse(t *testing.T) {
	b := newBench(t, twoTables)
	b.run(request("tx", "at", "2024-01"))
	b.run(request("tx", "at", "2024-02"))
	b.run(odd("2024-01-03"))
	full, err := b.offline().Check(t.Context(), archive.CheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "status", full.Status, "success")
	equal(t, "seen", fmt.Sprintf("%d tables, %d of %d partitions, %d proven, %d files, %d rows", full.Tables, full.Partitions, full.Of, full.Proven, full.Files, full.Records),
		"2 tables, 3 of 3 partitions, 3 proven, 3 files, 1060 rows")
	b.store.Reset()
	quick, err := b.offline().Check(t.Context(), archive.CheckRequest{Quick: true, Scope: archive.Scope{Schema: "public", Table: "tx", Partition: "at=2024-02"}})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "quick", fmt.Sprint(quick.Status, quick.Mode, quick.Partitions, quick.Proven), "successquick1 0")
	for _, c := range b.store.Calls() {
		if strings.HasSuffix(c.Key, ".parquet") && c.Op != faultstore.Stat {
			t.Errorf("--quick did %s on %s", c.Op, c.Key)
		}
	}
}

// An empty partition and an empty warehouse are proven as well.
func TestCheckOfNothing(t *testing.T) {
	b := newBench(t, monthly)
	c, err := b.offline().Check(t.Context(), archive.CheckRequest{Sample: 0.5})
	if err != nil || c.Status != "success" || c.Partitions != 0 {
		t.Fatalf("%+v, %v", c, err)
	}
	b.run(request("tx", "at", "2024-02"))
	c, err = b.offline().Check(t.Context(), archive.CheckRequest{})
	if err != nil || c.Proven != 1 || c.Files != 0 {
		t.Fatalf("%+v, %v", c, err)
	}
}

// saved gives a function that puts the warehouse back as it is now.
func (b *bench) saved() (restore func()) {
	b.t.Helper()
	objects := map[string][]byte{}
	for _, key := range b.keys("") {
		objects[key] = b.read(key)
	}
	return func() {
		for key, data := range objects {
			b.put(key, data)
		}
	}
}

// Each kind of damage is found, named, and does not hide the rest.
func TestCheckFindsDamage(t *testing.T) {
	b := days(t, 3)
	restore := b.saved()
	for _, c := range []struct {
		name    string
		damage  func(b *bench) string // gives the object that is to be named
		want    error
		says    string
		quick   bool // found in quick mode too
		unknown bool // nothing else is looked at
	}{
		{"a flipped byte", func(b *bench) string {
			key := b.dataKey(2)
			data := b.read(key)
			data[len(data)/2] ^= 1
			b.put(key, data)
			return "/" + key
		}, objstore.ErrCorrupt, "SHA-256", false, false},
		{"a file cut short", func(b *bench) string {
			key := b.dataKey(2)
			b.put(key, b.read(key)[:100])
			return "/" + key
		}, objstore.ErrCorrupt, "it has 100 bytes", true, false},
		{"a missing file", func(b *bench) string {
			key := b.dataKey(2)
			if err := b.store.Delete(b.t.Context(), key); err != nil {
				b.t.Fatal(err)
			}
			return "/" + key
		}, objstore.ErrCorrupt, "does not exist", true, false},
		{"a missing record", func(b *bench) string {
			key := b.recordKey(2)
			if err := b.store.Delete(b.t.Context(), key); err != nil {
				b.t.Fatal(err)
			}
			return "/" + key
		}, objstore.ErrCorrupt, "does not exist", true, false},
		{"a record of garbage", func(b *bench) string {
			b.put(b.recordKey(2), []byte("garbage"))
			return "/" + b.recordKey(2)
		}, objstore.ErrCorrupt, "corrupt", true, false},
		{"a record without its file", func(b *bench) string {
			key := b.recordKey(2)
			cut := bytes.ReplaceAll(b.read(key), []byte(`"rows": 10`), []byte(`"rows": 11`))
			b.put(key, cut)
			return "/public/d"
		}, objstore.ErrCorrupt, "the table's snapshot has not", true, false},
		{"a missing published copy", func(b *bench) string {
			if err := b.store.Delete(b.t.Context(), "public/d/day=2024-01-02/schema_snapshot.json"); err != nil {
				b.t.Fatal(err)
			}
			return "/" + b.recordKey(2)
		}, objstore.ErrCorrupt, "schema_snapshot.json, a copy of the record", true, false},
		{"another digest everywhere", func(b *bench) string {
			// The record, its copy and the table agree on a digest that is not the rows'.
			t, err := iceberg.NewCatalog(b.store).Load(b.t.Context(), "public/d")
			if err != nil {
				b.t.Fatal(err)
			}
			p, err := t.Partition("day=2024-01-02")
			if err != nil {
				b.t.Fatal(err)
			}
			wrong := "xxh3-128:" + strings.Repeat("a", 32) + ":10"
			for _, key := range []string{b.recordKey(2), "public/d/day=2024-01-02/schema_snapshot.json", fmt.Sprintf("public/d/metadata/v%d.metadata.json", t.Version())} {
				b.put(key, bytes.ReplaceAll(b.read(key), []byte(p.Digest), []byte(wrong)))
			}
			return "/public/d/day=2024-01-02"
		}, archive.ErrProof, "digests differ", false, false},
		{"a broken manifest list", func(b *bench) string {
			for _, key := range b.keys("public/d/metadata/snap-") {
				b.put(key, []byte("garbage"))
			}
			return "/public/d"
		}, objstore.ErrCorrupt, "manifest list", true, true},
		{"broken table metadata", func(b *bench) string {
			b.put("public/d/metadata/v4.metadata.json", []byte("garbage"))
			return "/public/d"
		}, objstore.ErrCorrupt, "version 4", true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer restore()
			object := c.damage(b)
			res, err := b.offline().Check(t.Context(), archive.CheckRequest{})
			if !errors.Is(err, c.want) || !errors.Is(res.Err(), c.want) || errors.Is(err, archive.ErrProof) != (c.want == archive.ErrProof) {
				t.Fatalf("error %v, want %v", err, c.want)
			}
			equal(t, "status", res.Status, "damaged")
			if !c.unknown {
				equal(t, "objects", objects(res.Damaged), object)
				equal(t, "proven", res.Proven, 2)
				equal(t, "partition", res.Damaged[0].Partition, "day=2024-01-02")
			} else if !strings.HasPrefix(objects(res.Damaged), object) {
				t.Errorf("damaged: %s", objects(res.Damaged))
			}
			equal(t, "table", strings.TrimPrefix(strings.Replace(res.Damaged[0].Table, "/", ".", 1), "public."), "d")
			if !strings.Contains(res.Damaged[0].Problem, c.says) {
				t.Errorf("%q does not say %q", res.Damaged[0].Problem, c.says)
			}
			quick, err := b.offline().Check(t.Context(), archive.CheckRequest{Quick: true})
			equal(t, fmt.Sprintf("found by --quick (%v)", err), err != nil, c.quick)
			equal(t, "found by --quick", len(quick.Damaged) > 0, c.quick)
		})
	}
}

// recordKey is the key of the record of a day's only run.
func (b *bench) recordKey(day int) string {
	b.t.Helper()
	for _, key := range b.keys(fmt.Sprintf("public/d/day=2024-01-%02d/schema_snapshot-", day)) {
		return key
	}
	b.t.Fatalf("day %d has no record", day)
	return ""
}

// Two damaged partitions are both listed, object by object.
func TestCheckListsEveryDamagedObject(t *testing.T) {
	b := days(t, 4)
	b.put(b.dataKey(1), []byte("x"))
	b.put(b.dataKey(4), bytes.Repeat([]byte("x"), len(b.read(b.dataKey(4)))))
	res, err := b.offline().Check(t.Context(), archive.CheckRequest{})
	if !errors.Is(err, objstore.ErrCorrupt) || !strings.Contains(err.Error(), "2 findings") {
		t.Fatalf("error %v", err)
	}
	equal(t, "objects", objects(res.Damaged), "/"+b.dataKey(1)+" /"+b.dataKey(4))
	equal(t, "proven", res.Proven, 2)
}

func TestCheckOfASample(t *testing.T) {
	b := days(t, 10)
	looked := func(req archive.CheckRequest) (days string, seed uint32) {
		t.Helper()
		b.store.Reset()
		res, err := b.offline().Check(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "partitions", res.Partitions, 3)
		equal(t, "of", res.Of, 10)
		equal(t, "proven", res.Proven, 3)
		seen := map[string]bool{}
		for i := range 10 {
			for _, c := range b.store.Calls() {
				if day := fmt.Sprintf("day=2024-01-%02d", i+1); strings.Contains(c.Key, day+"/data/") && !seen[day] {
					seen[day] = true
					days += day[len(day)-2:] + " "
				}
			}
		}
		return days, res.Seed
	}
	first, seed := looked(archive.CheckRequest{Sample: 0.21})
	if seed == 0 {
		t.Error("the seed is not told")
	}
	again, _ := looked(archive.CheckRequest{Sample: 0.3, Seed: seed})
	equal(t, "the sample of the same seed", again, first)
	others := map[string]bool{}
	for s := range uint32(8) {
		sample, _ := looked(archive.CheckRequest{Sample: 0.3, Seed: s + 1})
		others[sample] = true
	}
	if len(others) < 3 {
		t.Errorf("8 seeds gave the samples %v", others)
	}
	for _, bad := range []float64{-0.1, 1.5} {
		if _, err := b.offline().Check(t.Context(), archive.CheckRequest{Sample: bad}); !errors.Is(err, archive.ErrBadInput) {
			t.Errorf("sample %v: %v", bad, err)
		}
	}
}

// coldStore says that some objects are in a storage class that must be restored first, and refuses to read them as S3 does.
type coldStore struct {
	objstore.Store
	class map[string]string // by a part of the key
	reads []string
}

func (s *coldStore) cold(key string) string {
	for part, class := range s.class {
		if strings.Contains(key, part) {
			return class
		}
	}
	return ""
}

func (s *coldStore) Stat(ctx context.Context, key string) (objstore.Object, error) {
	o, err := s.Store.Stat(ctx, key)
	if strings.HasSuffix(key, ".parquet") {
		o.Class = s.cold(key)
	}
	return o, err
}

func (s *coldStore) ReadRanges(ctx context.Context, key string, r []objstore.Range) ([][]byte, error) {
	if class := s.cold(key); class == "GLACIER" || class == "DEEP_ARCHIVE" {
		s.reads = append(s.reads, key)
	}
	return s.Store.ReadRanges(ctx, key, r)
}

func TestCheckDoesNotReadArchivalClasses(t *testing.T) {
	b := days(t, 4)
	cold := &coldStore{Store: b.store, class: map[string]string{"day=2024-01-01/data": "GLACIER", "day=2024-01-03/data": "DEEP_ARCHIVE", "day=2024-01-04/data": "GLACIER_IR"}}
	a := &archive.Archiver{Store: cold, Catalog: iceberg.NewCatalog(cold), Workers: 1}
	res, err := a.Check(t.Context(), archive.CheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "status", res.Status, "incomplete")
	equal(t, "unread", objects(res.Unread), "/"+b.dataKey(1)+" /"+b.dataKey(3))
	equal(t, "classes", res.Unread[0].Class+" "+res.Unread[1].Class, "GLACIER DEEP_ARCHIVE")
	equal(t, "what to do", strings.Contains(res.Unread[0].Problem, "restore it in S3 first"), true)
	equal(t, "reads of them", len(cold.reads), 0)
	for _, c := range b.store.Calls() {
		if c.Op == faultstore.Get && (c.Key == b.dataKey(1) || c.Key == b.dataKey(3)) {
			t.Errorf("read %s", c.Key)
		}
	}
	equal(t, "proven", res.Proven, 2)
	// Restored copies are read when asked to.
	res, err = a.Check(t.Context(), archive.CheckRequest{Thawed: true})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "thawed", fmt.Sprint(res.Status, res.Proven, len(res.Unread)), "success4 0")
}

// An object that the store will not give is no damage, and does not stop the rest.
func TestCheckGoesOnAfterARefusal(t *testing.T) {
	b := days(t, 3)
	refused := b.dataKey(2)
	b.store.Add(faultstore.Rule{Op: faultstore.Get, Match: faultstore.Suffix(refused)})
	res, err := b.offline().Check(t.Context(), archive.CheckRequest{})
	if !errors.Is(err, faultstore.ErrInjected) || errors.Is(err, objstore.ErrCorrupt) {
		t.Fatalf("error %v", err)
	}
	equal(t, "status", res.Status, "incomplete")
	equal(t, "unread", objects(res.Unread), "/"+refused)
	equal(t, "damaged and proven", fmt.Sprint(len(res.Damaged), res.Proven), "0 2")
	// A store that is gone ends it.
	b.store.Reset()
	b.store.Add(faultstore.Rule{Op: faultstore.Get, Match: faultstore.Suffix(refused), Err: objstore.ErrUnreachable})
	if res, err := b.offline().Check(t.Context(), archive.CheckRequest{}); res != nil || !errors.Is(err, objstore.ErrUnreachable) {
		t.Errorf("%+v, %v", res, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	b.store.Reset()
	b.store.Add(faultstore.Rule{Op: faultstore.Get, Match: faultstore.Suffix(refused), Kind: faultstore.Slow, Do: func(string) { cancel() }})
	if res, err := b.offline().Check(ctx, archive.CheckRequest{}); res != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("%+v, %v", res, err)
	}
}

// On S3 the quick mode sees by the ETag that an object was written anew with the same size.
func TestQuickCheckComparesETags(t *testing.T) {
	b := newBench(t, monthly)
	store, err := objstore.Open(t.Context(), s3test.Start(t).Warehouse(t), objstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b.store = faultstore.Wrap(store)
	b.a.Store, b.a.Catalog = b.store, iceberg.NewCatalog(b.store)
	b.run(request("tx", "at", "2024-01"))
	if res, err := b.offline().Check(t.Context(), archive.CheckRequest{}); err != nil || res.Proven != 1 {
		t.Fatalf("%+v, %v", res, err)
	}
	if res, err := b.offline().Check(t.Context(), archive.CheckRequest{Quick: true}); err != nil {
		t.Fatalf("%+v, %v", res, err)
	}
	key := b.keys("public/tx/at=2024-01/data/")[0]
	data := b.read(key)
	data[len(data)/2] ^= 1
	b.put(key, data)
	res, err := b.offline().Check(t.Context(), archive.CheckRequest{Quick: true})
	if !errors.Is(err, archive.ErrProof) {
		t.Fatalf("error %v", err)
	}
	equal(t, "objects", objects(res.Damaged), objstore.Location(b.store, key)[strings.Index(objstore.Location(b.store, key), "/public/"):])
	equal(t, "what to do", strings.Contains(res.Damaged[0].Problem, "run without --quick"), true)
	if _, err := b.offline().Check(t.Context(), archive.CheckRequest{}); !errors.Is(err, objstore.ErrCorrupt) {
		t.Errorf("in full: %v", err)
	}
}
