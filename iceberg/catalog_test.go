package iceberg

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"frostline/objstore"
)

func TestLoadFindsNewest(t *testing.T) {
	ctx := context.Background()
	store := fileStore(t)
	c := NewCatalog(store)
	tbl := mustEnsure(t, c, payment())
	for i := range 30 {
		m := monthCommit(t, tbl, fmt.Sprintf("run-%d", i), 2000+i, 1, 0)
		tbl = mustCommit(t, c, tbl, m)
	}
	put := func(text string) func() {
		return func() {
			if _, err := store.Put(ctx, hintKey(tbl.Key()), strings.NewReader(text)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, tt := range []struct {
		name   string
		change func()
	}{
		{"hint right", put("31")},
		{"hint with a newline", put(" 31\n")},
		{"hint behind", put("29")},
		{"hint far behind", put("1")},
		{"hint ahead", put("77")},
		{"hint not a number", put("v31")},
		{"hint negative", put("-3")},
		{"hint empty", put("")},
		{"hint missing", func() {
			if err := store.Delete(ctx, hintKey(tbl.Key())); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.change()
			for _, c := range []*Catalog{c, NewCatalog(store)} {
				got, err := c.Load(ctx, tbl.Key())
				if err != nil || got.Version() != 31 {
					t.Errorf("version %d, %v; want 31", got.Version(), err)
				}
			}
		})
	}
	if err := store.Delete(ctx, keysOf(t, store, tbl.Key())...); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Load(ctx, tbl.Key()); !errors.Is(err, ErrNoTable) {
		t.Errorf("a table whose folder was removed: %v", err)
	}
	// A new table in its place is not taken for the old one.
	fresh := mustEnsure(t, NewCatalog(store), payment())
	got, err := c.Load(ctx, tbl.Key())
	if err != nil || got.UUID() != fresh.UUID() || got.UUID() == tbl.UUID() {
		t.Errorf("loaded %s, want the new table %s: %v", got.UUID(), fresh.UUID(), err)
	}
}

func TestCorruptMetadata(t *testing.T) {
	ctx := context.Background()
	store := fileStore(t)
	c := NewCatalog(store)
	tbl := mustCommit(t, c, mustEnsure(t, c, payment()), monthCommit(t, mustEnsure(t, c, payment()), "run-1", 2024, 1, 2))
	whole, _, err := readObject(ctx, store, versionKey(tbl.Key(), 2))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, text string }{
		{"empty", ""},
		{"not JSON", "<html>"},
		{"cut off", string(whole[:len(whole)/2])},
		{"another JSON", `{"format-version": 2}`},
		{"columns missing", strings.Replace(string(whole), propColumns, "frostline.other", 1)},
		{"columns not JSON", strings.Replace(string(whole), `"frostline.columns":"[`, `"frostline.columns":"{`, 1)},
		{"partition not JSON", strings.Replace(string(whole), `"frostline.partition.at=2024-01":"{`, `"frostline.partition.at=2024-01":"`, 1)},
		{"partition of another name", strings.Replace(string(whole), `"frostline.partition.at=2024-01"`, `"frostline.partition.at=2024-02"`, 1)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.text == string(whole) {
				t.Fatal("the text was not changed")
			}
			if _, err := store.Put(ctx, versionKey(tbl.Key(), 2), strings.NewReader(tt.text)); err != nil {
				t.Fatal(err)
			}
			if _, err := NewCatalog(store).Load(ctx, tbl.Key()); !errors.Is(err, ErrCorrupt) {
				t.Errorf("got %v, want ErrCorrupt", err)
			}
		})
	}
}

// Damaged manifests and lists are errors, never fewer files and never a panic.
func TestCorruptManifests(t *testing.T) {
	ctx := context.Background()
	store := fileStore(t)
	c := NewCatalog(store)
	tbl := mustEnsure(t, c, payment())
	tbl = mustCommit(t, c, tbl, monthCommit(t, tbl, "run-1", 2024, 1, 3))
	for _, key := range keysOf(t, store, tbl.Key()+"/metadata/") {
		if !strings.HasSuffix(key, ".avro") {
			continue
		}
		whole, _, err := readObject(ctx, store, key)
		if err != nil {
			t.Fatal(err)
		}
		for _, damage := range []struct {
			name string
			data []byte
		}{
			{"empty", nil},
			{"cut in half", whole[:len(whole)/2]},
			{"last bytes missing", whole[:len(whole)-7]},
			{"no magic", append([]byte("Obj\x02"), whole[4:]...)},
		} {
			t.Run(key[len(key)-8:]+" "+damage.name, func(t *testing.T) {
				if _, err := store.Put(ctx, key, strings.NewReader(string(damage.data))); err != nil {
					t.Fatal(err)
				}
				if plan, err := NewCatalog(store).Plan(ctx, tbl, 0); err == nil {
					t.Errorf("planned %v", planned(plan))
				}
			})
		}
		for i := 4; i < len(whole); i += 1 + len(whole)/150 {
			damaged := []byte(string(whole))
			damaged[i] ^= 0x5A
			if _, err := store.Put(ctx, key, strings.NewReader(string(damaged))); err != nil {
				t.Fatal(err)
			}
			_, _ = NewCatalog(store).Plan(ctx, tbl, 0) // must not panic
		}
		if err := store.Delete(ctx, key); err != nil {
			t.Fatal(err)
		}
		if _, err := NewCatalog(store).Plan(ctx, tbl, 0); !errors.Is(err, objstore.ErrNotExist) {
			t.Errorf("a missing %s: %v", key, err)
		}
		if _, err := store.Put(ctx, key, strings.NewReader(string(whole))); err != nil {
			t.Fatal(err)
		}
	}
	wantEqual(t, "plan of the repaired table", planned(mustPlan(t, NewCatalog(store), tbl, 0)), []string{"at=2024-01: 3"})
}

func TestTables(t *testing.T) {
	ctx := context.Background()
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) {
			store := s.open(t)
			c := NewCatalog(store)
			if got, err := c.Tables(ctx); err != nil || len(got) != 0 {
				t.Fatalf("tables of an empty warehouse: %v, %v", got, err)
			}
			for _, name := range []string{"b", "a", "a=b", "ü"} {
				spec := payment()
				spec.Table = name
				mustEnsure(t, c, spec)
			}
			for _, key := range []string{"public/not a table/x", "loose", "public/b/at=1/metadata/v1.metadata.json"} {
				if _, err := store.Put(ctx, key, strings.NewReader("x")); err != nil {
					t.Fatal(err)
				}
			}
			got, err := c.Tables(ctx)
			if err != nil {
				t.Fatal(err)
			}
			wantEqual(t, "tables", got, []string{"public/.C3.BC", "public/a", "public/a=b", "public/b"})
		})
	}
}

func TestVersionOf(t *testing.T) {
	for name, want := range map[string]int{
		"v1.metadata.json": 1, "v120.metadata.json": 120, "v0.metadata.json": 0, "v01.metadata.json": 0, "v-1.metadata.json": 0,
		"v+1.metadata.json": 0, "v1.gz.metadata.json": 0, "00001-uuid.metadata.json": 0, "v1.metadata.json.tmp": 0, "v.metadata.json": 0,
	} {
		if got := versionOf(name); got != want {
			t.Errorf("%s: got %d, want %d", name, got, want)
		}
	}
}
