// Command duckbench times DuckDB on Parquet files, for internal/bench: it reads one JSON job on stdin and prints one JSON
// object. Queries see the files as the table lineitem; the metadata of the files is cached, as in queryd. With -turns it
// runs one statement after the other as they are asked for, so that another program can take turns with it.
package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	_ "github.com/duckdb/duckdb-go/v2"
)

type job struct {
	Threads int      `json:"threads"`
	Files   []string `json:"files"`
	Queries []struct {
		Name string `json:"name"`
		SQL  string `json:"sql"`
	} `json:"queries"`
	Warm   int    `json:"warm"` // runs that are not counted
	Runs   int    `json:"runs"`
	CopyTo string `json:"copy_to"`
}

type timing struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"` // median
	Rows    int64   `json:"rows"`
	Count   int64   `json:"count"` // the value, where the result is one number
}

type result struct {
	Version     string   `json:"version"`
	Queries     []timing `json:"queries"`
	CopySeconds float64  `json:"copy_seconds"`
	CopyBytes   int64    `json:"copy_bytes"`
}

func main() {
	do := run
	if len(os.Args) > 1 && os.Args[1] == "-turns" {
		do = runTurns
	}
	if err := do(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	var j job
	if err := json.NewDecoder(os.Stdin).Decode(&j); err != nil {
		return err
	}
	db, err := sql.Open("duckdb", "")
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	var files []string
	for _, f := range j.Files {
		files = append(files, literal(f))
	}
	for _, s := range []string{
		fmt.Sprintf("SET threads = %d", j.Threads),
		"SET parquet_metadata_cache = true",
		"CREATE VIEW lineitem AS SELECT * EXCLUDE (_pg_exact) FROM read_parquet([" + strings.Join(files, ", ") +
			"], hive_partitioning = false)", // else a filter on the partition column takes the folder's name for its value
	} {
		if _, err := db.Exec(s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	var res result
	if err := db.QueryRow("SELECT version()").Scan(&res.Version); err != nil {
		return err
	}
	for _, q := range j.Queries {
		t := timing{Name: q.Name}
		var times []float64
		for i := range j.Warm + j.Runs {
			begin := time.Now()
			if t.Rows, t.Count, err = query(db, q.SQL); err != nil {
				return fmt.Errorf("%s: %w", q.SQL, err)
			}
			if i >= j.Warm {
				times = append(times, time.Since(begin).Seconds())
			}
		}
		slices.Sort(times)
		t.Seconds = (times[(len(times)-1)/2] + times[len(times)/2]) / 2
		res.Queries = append(res.Queries, t)
	}
	if j.CopyTo != "" {
		begin := time.Now()
		if _, err := db.Exec("COPY (SELECT * FROM lineitem) TO " + literal(j.CopyTo) + " (FORMAT parquet, COMPRESSION zstd)"); err != nil {
			return err
		}
		res.CopySeconds = time.Since(begin).Seconds()
		info, err := os.Stat(j.CopyTo)
		if err != nil {
			return err
		}
		res.CopyBytes = info.Size()
	}
	return json.NewEncoder(os.Stdout).Encode(res)
}

// query reads the whole result.
func query(db *sql.DB, text string) (rows, count int64, err error) {
	r, err := db.Query(text)
	if err != nil {
		return 0, 0, err
	}
	defer r.Close()
	columns, err := r.Columns()
	if err != nil {
		return 0, 0, err
	}
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for r.Next() {
		if err := r.Scan(into...); err != nil {
			return 0, 0, err
		}
		rows++
	}
	if n, ok := values[0].(int64); ok && len(values) == 1 {
		count = n
	}
	return rows, count, r.Err()
}

func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
