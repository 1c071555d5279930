package postgres

import (
	"context"
	"strings"
	"testing"

	"frostline/internal/pgtest"
)

// open is a pool on the test's database.
func open(t *testing.T, dsn string) *DB {
	t.Helper()
	db, err := Open(t.Context(), Config{DSN: dsn, Application: "frostline test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

func start(t *testing.T, scripts ...string) (*DB, *pgtest.DB) {
	t.Helper()
	pg := pgtest.Start(t).Database(t)
	pg.Exec(t, scripts...)
	return open(t, pg.DSN), pg
}

func table(t *testing.T, db *DB, schema, name string) *Table {
	t.Helper()
	tab, err := db.Table(t.Context(), Name{schema, name})
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

func leafNamed(t *testing.T, db *DB, parent, name string) Leaf {
	t.Helper()
	leaves, err := db.Leaves(t.Context(), table(t, db, "public", parent))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range leaves {
		if l.Name.Table == name {
			return l
		}
	}
	t.Fatalf("%s has no leaf %s", parent, name)
	return Leaf{}
}

// mustContain checks an error's text.
func mustContain(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error %q does not contain %q", err, p)
		}
	}
}

func run(t *testing.T, db *DB, steps []Step) {
	t.Helper()
	for _, s := range steps {
		if err := db.RunStep(context.Background(), s); err != nil {
			t.Fatalf("%s\n%v", strings.Join(s.SQL, ";\n"), err)
		}
	}
}
