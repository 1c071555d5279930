package iceberg

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"frostline/objstore"
)

// What is written but not named by any snapshot, and only that, is missing in References.
func TestReferences(t *testing.T) {
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) {
			store, ctx := s.open(t), context.Background()
			c := NewCatalog(store)
			tbl := mustEnsure(t, c, payment())
			refs := mustReferences(t, c, tbl)
			wantEqual(t, "references of an empty table", slices.Sorted(maps.Keys(refs)), []string{"public/payment/metadata/v1.metadata.json"})

			put := func(key string) {
				t.Helper()
				if _, err := store.Put(ctx, key, strings.NewReader("x")); err != nil {
					t.Fatal(err)
				}
			}
			commit := func(run string, month, files int, replace bool) {
				t.Helper()
				m := monthCommit(t, tbl, run, 2024, month, files)
				m.Replace = replace
				m.Record = func(ctx context.Context, snapshot int64, schema int) error {
					return c.WriteRecord(ctx, tbl.Key(), &Record{RunID: run, Partition: m.Partition.Name, Rows: m.Partition.Rows, Digest: m.Partition.Digest})
				}
				for _, f := range m.Files {
					key, err := objstore.Key(store, f.Location)
					if err != nil {
						t.Fatal(err)
					}
					put(key)
				}
				tbl = mustCommit(t, c, tbl, m)
			}
			commit("run-1", 1, 2, false)
			commit("run-2", 2, 1, false)
			commit("run-3", 1, 1, true) // run-1's files are named by the old snapshots still

			put("public/payment/at=2024-01/data/run-9-0000.parquet")
			put("public/payment/metadata/0b1c-m0.avro")
			put("public/payment/at=2024-01/schema_snapshot-run-9.json")

			refs = mustReferences(t, c, tbl)
			var unnamed []string
			named := map[string]bool{}
			for o, err := range store.List(ctx, "public/payment/") {
				if err != nil {
					t.Fatal(err)
				}
				if !refs[o.Key] {
					unnamed = append(unnamed, o.Key)
				}
				named[o.Key] = refs[o.Key]
			}
			wantEqual(t, "unnamed", unnamed, []string{
				"public/payment/at=2024-01/data/run-9-0000.parquet",
				"public/payment/at=2024-01/schema_snapshot-run-9.json",
				"public/payment/metadata/0b1c-m0.avro",
				"public/payment/metadata/version-hint.text",
			})
			for _, key := range []string{
				"public/payment/at=2024-01/data/run-1-0000.parquet", "public/payment/at=2024-01/data/run-1-0001.parquet",
				"public/payment/at=2024-01/data/run-3-0000.parquet", "public/payment/at=2024-02/data/run-2-0000.parquet",
				"public/payment/at=2024-01/schema_snapshot-run-1.json", "public/payment/at=2024-01/schema_snapshot-run-3.json",
				"public/payment/metadata/v4.metadata.json", "public/payment/metadata/v1.metadata.json",
			} {
				if !named[key] {
					t.Errorf("%s is not referenced", key)
				}
			}
			// Nothing is referenced that is not there.
			for key := range refs {
				if _, err := store.Stat(ctx, key); err != nil {
					t.Errorf("%s: %v", key, err)
				}
			}
		})
	}
}

// An old snapshot's manifest that cannot be read fails the whole, and says which.
func TestReferencesOfDamagedMetadata(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		name   string
		suffix string // of the object that is damaged: the first in the listing
		data   string // "" removes it
		want   error
	}{
		{"a manifest list is garbage", "-1-", "garbage", ErrCorrupt},
		{"a manifest list is gone", "-1-", "", objstore.ErrNotExist},
		{"a manifest is garbage", "-m0.avro", "garbage", ErrCorrupt},
		{"a manifest is gone", "-m0.avro", "", objstore.ErrNotExist},
	} {
		t.Run(c.name, func(t *testing.T) {
			store := fileStore(t)
			tbl := mustEnsure(t, NewCatalog(store), payment())
			tbl = mustCommit(t, NewCatalog(store), tbl, monthCommit(t, tbl, "run-1", 2024, 1, 1))
			tbl = mustCommit(t, NewCatalog(store), tbl, monthCommit(t, tbl, "run-2", 2024, 2, 1))
			for o, err := range store.List(ctx, "public/payment/metadata/") {
				if err != nil {
					t.Fatal(err)
				}
				if !strings.Contains(o.Key, c.suffix) {
					continue
				}
				if err := store.Delete(ctx, o.Key); err != nil {
					t.Fatal(err)
				}
				if c.data != "" {
					if _, err := store.Put(ctx, o.Key, bytes.NewReader([]byte(c.data))); err != nil {
						t.Fatal(err)
					}
				}
				break
			}
			refs, err := NewCatalog(store).References(ctx, tbl)
			if err == nil || refs != nil {
				t.Fatalf("%d references, error %v", len(refs), err)
			}
			if !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
			if !strings.Contains(err.Error(), "public/payment") || !strings.Contains(err.Error(), "manifest") {
				t.Errorf("%q does not say what", err)
			}
		})
	}
}

func mustReferences(t *testing.T, c *Catalog, tbl *Table) map[string]bool {
	t.Helper()
	refs, err := c.References(context.Background(), tbl)
	if err != nil {
		t.Fatal(err)
	}
	return refs
}
