package postgres

import (
	"strings"
	"testing"
	"unicode/utf8"

	"frostline/internal/pgtest"
)

// The server quotes what it could not read, however long it is.
func TestALongValueDoesNotFloodTheMessage(t *testing.T) {
	db, err := Open(t.Context(), Config{DSN: pgtest.Start(t).DSN("postgres")})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.Exec(t.Context(), "cast", "SELECT '"+strings.Repeat("ä", 1<<20)+"'::integer")
	if err == nil {
		t.Fatal("no error")
	}
	said := err.Error()
	if len(said) > 1200 || !utf8.ValidString(said) || !strings.Contains(said, "2096") || !strings.HasSuffix(said, `ä" (SQLSTATE 22P02)`) ||
		!strings.HasPrefix(said, "cast: ") {
		t.Errorf("%d bytes: %.2000s", len(said), said)
	}
}
