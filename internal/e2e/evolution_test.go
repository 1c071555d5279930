package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"frostline/internal/pgtest"
)

// generations are the schemas that a table has had, one partition archived under each.
var generations = []struct {
	change string // before the rows
	rows   string // INSERT of ids from 10 × generation on
	shape  string // of the archived partition: the parent's columns then
}{
	{`CREATE TYPE mood AS ENUM ('sad', 'ok');
		CREATE TABLE hist (id int NOT NULL, k int NOT NULL, num int, short varchar(5), price numeric(6,2), m mood, code int, gone text, named timestamptz, again date, f real,
			list int[], turned text) PARTITION BY LIST (k)`,
		`(10, 0, 7, 'abc', 1.50, 'sad', 42, 'gone', '2024-01-01 00:00:00+00', '2024-01-01', 0.1, '{1,2}', '17'), (11, 0, -2147483648, '', 'NaN', 'ok', NULL, NULL, 'infinity', 'infinity', '-0', '{{1}}', ''),
		(12, 0, NULL, NULL, NULL, NULL, 0, '', NULL, NULL, NULL, NULL, NULL)`,
		"id integer, k integer, num integer, short character varying(5), price numeric(6,2), m mood, code integer, gone text, named timestamp with time zone, again date, f real, list integer[], turned text"},
	{`ALTER TYPE mood ADD VALUE 'great' BEFORE 'ok'; ALTER TABLE hist ADD extra jsonb DEFAULT '{"new": 1}';
		ALTER TABLE hist DROP gone; ALTER TABLE hist RENAME named TO renamed;
		ALTER TABLE hist ALTER num TYPE bigint, ALTER short TYPE varchar(50), ALTER price TYPE numeric(12,2), ALTER code TYPE text, ALTER f TYPE float8, ALTER list TYPE bigint[],
			ALTER turned TYPE int USING nullif(turned, '')::int`,
		`(20, 1, 9223372036854775807, 'a longer one than five', 9999999999.99, 'great', 'forty-two', '2024-02-02 00:00:00+00', '2024-02-02', 0.1, '{9223372036854775807}', 18, '{"x": [1]}'),
		(21, 1, -1, NULL, 'NaN', 'ok', '', '-infinity', '-infinity', 'NaN', '[0:0]={5}', NULL, NULL)`,
		"id integer, k integer, num bigint, short character varying(50), price numeric(12,2), m mood, code text, renamed timestamp with time zone, again date, f double precision, list bigint[], turned integer, extra jsonb"},
	{`ALTER TABLE hist DROP again; ALTER TABLE hist ADD again int; ALTER TABLE hist ADD gone boolean; ALTER TABLE hist ALTER code TYPE int USING 0; ALTER TABLE hist ALTER price TYPE numeric(14,4)`,
		`(30, 2, 5, 'x', 1.2345, 'sad', 77, '2024-03-03 00:00:00+00', 2.5, '{}', 19, 'null', 30, true)`,
		"id integer, k integer, num bigint, short character varying(50), price numeric(14,4), m mood, code integer, renamed timestamp with time zone, f double precision, list bigint[], turned integer, extra jsonb, again integer, gone boolean"},
}

// A table's columns change between archives of its partitions: each partition restores as it was, with the columns that it
// had; a query over all, and PyIceberg, give NULL where a column was not there.
func TestEvolution(t *testing.T) {
	w := newWorld(t, "file://"+filepath.Join(t.TempDir(), "warehouse"))
	w.db.Exec(t, `SET TimeZone = 'UTC'`)
	var sources []string
	var metadata string
	for i, g := range generations {
		for _, sql := range strings.SplitAfter(g.change, ";") { // ADD VALUE goes alone
			w.db.Exec(t, sql)
		}
		w.db.Exec(t, fmt.Sprintf(`CREATE TABLE hist_%[1]d PARTITION OF hist FOR VALUES IN (%[1]d)`, i), `INSERT INTO hist VALUES `+g.rows,
			fmt.Sprintf(`CREATE TABLE was_%d AS SELECT * FROM hist`, i))
		res := w.run("archive", "--table", "hist", "--partition-column", "k", "--partition-value", fmt.Sprint(i), "--retire", "drop")
		sources = append(sources, res["location"].(string))
		metadata = res["metadata_location"].(string)
	}

	t.Run("restore", func(t *testing.T) {
		w := w.at(t)
		for i, g := range generations {
			w.run("restore", "--source-path", sources[i], "--target-table", fmt.Sprintf("back_%d", i))
			const shape = `SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped`
			if got := w.db.One(t, shape, fmt.Sprintf("back_%d", i)); got != g.shape {
				t.Errorf("generation %d came back with %s\nwant %s", i, got, g.shape)
			}
			before, after := w.db.Query(t, fmt.Sprintf(`SELECT x::text FROM was_%d x ORDER BY id`, i)), w.db.Query(t, fmt.Sprintf(`SELECT x::text FROM back_%d x ORDER BY id`, i))
			if !slices.EqualFunc(before, after, slices.Equal) {
				t.Errorf("generation %d came back as\n%swant\n%s", i, pgtest.Table(after), pgtest.Table(before))
			}
		}
	})

	t.Run("attach", func(t *testing.T) {
		w := w.at(t)
		_, stderr, code := w.exec("restore", "--source-path", sources[0], "--attach")
		for _, want := range []string{
			`"renamed" is missing`, `"num" is integer, the parent's is bigint`, `"price" is numeric(6,2), the parent's is numeric(14,4)`, `"named" is not in the parent`,
			`"gone" is text, the parent's is boolean`, `the restored rows are proven and stand in "public"."hist_0_restored"`, "alter the table, then attach",
		} {
			if code == 0 || !strings.Contains(stderr, want) {
				t.Errorf("exit code %d, the error does not say %q:\n%s", code, want, stderr)
			}
		}
		if n := w.db.One(t, `SELECT count(*) FROM hist_0_restored`); n != "3" {
			t.Errorf("the staging table has %s rows, want 3", n)
		}
		if n := w.db.One(t, `SELECT count(*) FROM pg_inherits WHERE inhparent = 'hist'::regclass`); n != "0" {
			t.Errorf("%s partitions are attached, want none", n)
		}
		// What the error says helps.
		w.db.Exec(t, `ALTER TABLE hist_0_restored RENAME named TO renamed; ALTER TABLE hist_0_restored ALTER num TYPE bigint, ALTER short TYPE varchar(50), ALTER price TYPE numeric(14,4),
			ALTER gone TYPE bool USING gone = 'gone', ALTER again TYPE int USING 1, ALTER f TYPE float8, ALTER list TYPE bigint[], ALTER turned TYPE int USING 2, ADD extra jsonb`,
			`ALTER TABLE hist ATTACH PARTITION hist_0_restored FOR VALUES IN (0)`, `ALTER TABLE hist DETACH PARTITION hist_0_restored`)
		back := w.run("restore", "--source-path", sources[2], "--attach")
		if back["action"] != "attached" {
			t.Errorf("the newest partition: %v", back)
		}
		if !slices.EqualFunc(w.db.Query(t, `SELECT x::text FROM was_2 x`), w.db.Query(t, `SELECT x::text FROM hist x`), slices.Equal) {
			t.Error("the newest partition came back otherwise")
		}
	})

	// What every reader of the whole table sees, NULL where a column was not there or was another one.
	fields := []string{"id", "num", "short", "m", "renamed", "f", "extra"}
	want := [][]any{
		{"10", "7", "abc", "sad", "2024-01-01 00:00:00+00:00", "0.10000000149011612", nil},
		{"11", "-2147483648", "", "ok", nil, "-0.0", nil},
		{"12", nil, nil, nil, nil, nil, nil},
		{"20", "9223372036854775807", "a longer one than five", "great", "2024-02-02 00:00:00+00:00", "0.1", `{"x": [1]}`},
		{"21", "-1", nil, "ok", nil, "nan", nil},
		{"30", "5", "x", "sad", "2024-03-03 00:00:00+00:00", "2.5", "null"},
	}
	t.Run("queryd", func(t *testing.T) {
		w := w.at(t)
		url := w.serve()
		table := w.warehouse + "/public/hist"
		rows := ask(t, url, map[string]any{"archivePath": table, "columns": fields}).Data
		if len(rows) != len(want) {
			t.Fatalf("%d rows, want %d", len(rows), len(want))
		}
		// queryd has PostgreSQL's values, where the typed column has none: infinities.
		spelt := map[string]string{"-0.0": "-0", "nan": "NaN", "0.10000000149011612": "0.10000000149011612"}
		exact := map[string]string{"11 renamed": "infinity", "21 renamed": "-infinity"}
		for i, row := range rows {
			for k, f := range fields {
				value := want[i][k]
				if s, ok := value.(string); ok {
					if f == "renamed" {
						s = strings.Replace(strings.Replace(s, " ", "T", 1), "+00:00", "Z", 1)
					}
					if other, ok := spelt[s]; ok {
						s = other
					}
					value = s
				}
				if e, ok := exact[fmt.Sprint(want[i][0], " ", f)]; ok {
					value = e
				}
				if fmt.Sprint(row[f]) != fmt.Sprint(value) {
					t.Errorf("id %v, %s: %v, want %v", want[i][0], f, row[f], value)
				}
			}
		}
		for _, q := range []struct {
			path, filter string
			ids          string
		}{
			{table, "extra IS NULL", "10 11 12 21"}, {table, "code IS NULL", "10 11 12 20 21"}, {table, "gone", "30"}, {table, "num > 6", "10 20"}, {table, "short IS NOT NULL", "10 11 20 30"},
			{table, "renamed < '2024-02-01'", "10 21"}, {table, "m > 'sad'", "11 20 21"},
			{table + "/k=0", "code = 42", "10"}, {table + "/k=1", "code = ''", "21"}, {table + "/k=2", "code > 76 AND gone", "30"}, {table + "/k=0", "gone = 'gone'", "10"},
		} {
			var ids []string
			for _, row := range ask(t, url, map[string]any{"archivePath": q.path, "columns": []string{"id"}, "filterExpression": q.filter}).Data {
				ids = append(ids, fmt.Sprint(row["id"]))
			}
			if slices.Sort(ids); strings.Join(ids, " ") != q.ids {
				t.Errorf("%s where %s: %v, want %s", q.path, q.filter, ids, q.ids)
			}
		}
	})
	t.Run("PyIceberg", func(t *testing.T) {
		python := os.Getenv("FROSTLINE_PYTHON")
		if python == "" {
			t.Skip("FROSTLINE_PYTHON is not set: `make interop` makes a Python with PyIceberg and sets it")
		}
		// Of columns whose type was changed to another, and of names that were given again, it sees the newest.
		fields, want := append(fields, "code", "again", "gone"), slices.Clone(want)
		for i := range want {
			newest := []any{nil, nil, nil}
			if want[i][0] == "30" {
				newest = []any{"77", "30", "True"}
			}
			want[i] = append(slices.Clone(want[i]), newest...)
		}
		out, err := exec.Command(python, append([]string{"evolution.py", metadata}, fields...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		for i, line := range lines {
			var row []any
			if err := json.Unmarshal([]byte(line), &row); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if i >= len(want) || !slices.Equal(row, want[i]) {
				t.Errorf("row %d is %v", i, row)
			}
		}
		if len(lines) != len(want) {
			t.Errorf("%d rows, want %d", len(lines), len(want))
		}
	})
}
