package pgtest

import (
	"bufio"
	"os"
	"strings"
	"testing"
)

// Load runs a plain pg_dump script, COPY blocks included.
func (db *DB) Load(tb testing.TB, path string) {
	tb.Helper()
	f, err := os.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	var sql, data strings.Builder
	copying := ""
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case copying != "" && line == `\.`:
			db.CopyIn(tb, copying, []byte(data.String()))
			copying = ""
			data.Reset()
		case copying != "":
			data.WriteString(line + "\n")
		case strings.HasPrefix(line, "COPY ") && strings.HasSuffix(line, " FROM stdin;"):
			db.Exec(tb, sql.String())
			sql.Reset()
			copying = strings.TrimSuffix(line, ";")
		default:
			sql.WriteString(line + "\n")
		}
	}
	if err := lines.Err(); err != nil {
		tb.Fatalf("load %s: %v", path, err)
	}
	db.Exec(tb, sql.String())
}
