//go:build duckdb_arrow

// Command duckhttp is DuckDB behind the smallest Go HTTP server, for internal/bench: POST / with one SQL statement answers its
// rows, as {"data":[…]} or, with ?format=arrow, as an Arrow stream. DuckDB writes the JSON of a row itself. It knows no
// limits, no callers and no pages. The arguments are statements to run first; the listening address is printed.
package main

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/duckdb/duckdb-go/v2"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "duckhttp:", err)
		os.Exit(1)
	}
}

func run(first []string) error {
	connector, err := duckdb.NewConnector("", nil)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	db.SetMaxIdleConns(256) // each has its prepared state
	for _, text := range first {
		if _, err := db.Exec(text); err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("{\"listening\":%q}\n", l.Addr())
	quiet := log.New(io.Discard, "", 0) // clients that leave in the middle of an answer
	s := &http.Server{ErrorLog: quiet, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err == nil && r.URL.Query().Get("format") == "arrow" {
			err = asArrow(r.Context(), connector, w, string(text))
		} else if err == nil {
			err = asJSON(r.Context(), db, w, string(text))
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})}
	return s.Serve(l)
}

// asJSON sends the rows while DuckDB gives them.
func asJSON(ctx context.Context, db *sql.DB, w http.ResponseWriter, text string) error {
	rows, err := db.QueryContext(ctx, "SELECT to_json(q)::VARCHAR FROM ("+text+") q")
	if err != nil {
		return err
	}
	defer rows.Close()
	w.Header().Set("Content-Type", "application/json")
	out := bufio.NewWriterSize(w, 64<<10)
	out.WriteString(`{"data":[`)
	var row string
	for n := 0; rows.Next(); n++ {
		if err := rows.Scan(&row); err != nil {
			return err
		}
		if n > 0 {
			out.WriteByte(',')
		}
		out.WriteString(row)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	out.WriteString("]}\n")
	return out.Flush()
}

// asArrow sends DuckDB's own Arrow batches.
func asArrow(ctx context.Context, connector *duckdb.Connector, w http.ResponseWriter, text string) error {
	conn, err := connector.Connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	a, err := duckdb.NewArrowFromConn(conn)
	if err != nil {
		return err
	}
	batches, err := a.QueryContext(ctx, text)
	if err != nil {
		return err
	}
	defer batches.Release()
	w.Header().Set("Content-Type", "application/vnd.apache.arrow.stream")
	out := ipc.NewWriter(w, ipc.WithSchema(batches.Schema()))
	for batches.Next() {
		if err := out.Write(batches.RecordBatch()); err != nil {
			return err
		}
	}
	if err := batches.Err(); err != nil {
		return err
	}
	return out.Close()
}
