package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"syscall"
	"time"
	"unsafe"

	duck "github.com/duckdb/duckdb-go-bindings"
)

// turn is one statement to run some times, read from stdin, one JSON object after the other; a lap answers it.
type turn struct {
	Threads int    `json:"threads"`
	SQL     string `json:"sql"`
	Times   int    `json:"times"`
	Plain   bool   `json:"plain"` // a statement without rows
}

type lap struct {
	Seconds float64 `json:"seconds"` // of one run, the mean
	CPU     float64 `json:"cpu"`
	Rows    int64   `json:"rows"`
	Values  []int64 `json:"values"` // of the first row, where the columns are BIGINT
	Error   string  `json:"error"`
}

// runTurns serves statements until stdin ends. It goes through DuckDB's C API, without database/sql and without turning
// values into Go's: a result is fetched chunk by chunk as DuckDB has it.
func runTurns() error {
	var db duck.Database
	var config duck.Config
	if duck.CreateConfig(&config) != duck.StateSuccess {
		return errors.New("no configuration")
	}
	var msg string
	if duck.OpenExt("", &db, config, &msg) != duck.StateSuccess {
		return errors.New(msg)
	}
	defer duck.Close(&db)
	var conn duck.Connection
	if duck.Connect(db, &conn) != duck.StateSuccess {
		return errors.New("cannot connect")
	}
	defer duck.Disconnect(&conn)
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	if err := out.Encode(map[string]string{"version": duck.LibraryVersion()}); err != nil {
		return err
	}
	streaming := map[string]bool{} // by statement: which way to fetch is faster
	threads := 0
	if _, err := execute(conn, "SET parquet_metadata_cache = true", false); err != nil {
		return err
	}
	for {
		var t turn
		switch err := in.Decode(&t); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if t.Threads != threads {
			if _, err := execute(conn, fmt.Sprintf("SET threads = %d", t.Threads), false); err != nil {
				return err
			}
			threads = t.Threads
		}
		l, err := t.run(conn, streaming)
		if err != nil {
			l.Error = err.Error()
		}
		if err := out.Encode(l); err != nil {
			return err
		}
	}
}

func (t turn) run(conn duck.Connection, streaming map[string]bool) (l lap, err error) {
	key := fmt.Sprint(t.Threads, t.SQL)
	stream, known := streaming[key]
	if !known && !t.Plain {
		var best [2]float64
		for i := range best {
			best[i] = math.Inf(1)
			for range 3 {
				begin := time.Now()
				if _, err := execute(conn, t.SQL, i == 1); err != nil {
					return l, err
				}
				best[i] = min(best[i], time.Since(begin).Seconds())
			}
		}
		stream = best[1] < best[0]
		streaming[key] = stream
	}
	cpu, begin := cpuSeconds(), time.Now()
	for range t.Times {
		if l, err = execute(conn, t.SQL, stream); err != nil {
			return l, err
		}
	}
	l.Seconds, l.CPU = time.Since(begin).Seconds()/float64(t.Times), (cpuSeconds()-cpu)/float64(t.Times)
	return l, nil
}

// execute runs a statement and fetches its whole result, materialised by DuckDB first or as it comes.
func execute(conn duck.Connection, text string, stream bool) (l lap, err error) {
	var stmt duck.PreparedStatement
	defer duck.DestroyPrepare(&stmt)
	if duck.Prepare(conn, text, &stmt) != duck.StateSuccess {
		return l, errors.New(duck.PrepareError(stmt))
	}
	var res duck.Result
	run := duck.ExecutePrepared
	if stream {
		run = duck.ExecutePreparedStreaming
	}
	defer duck.DestroyResult(&res)
	if run(stmt, &res) != duck.StateSuccess {
		return l, errors.New(duck.ResultError(&res))
	}
	columns := int(duck.ColumnCount(&res))
	for {
		chunk := duck.FetchChunk(res)
		if chunk.Ptr == nil {
			break
		}
		n := int64(duck.DataChunkGetSize(chunk))
		if n > 0 && l.Rows == 0 {
			for i := range columns {
				if duck.ColumnType(&res, duck.IdxT(i)) == duck.TypeBigInt {
					v := duck.VectorGetData(duck.DataChunkGetVector(chunk, duck.IdxT(i)))
					l.Values = append(l.Values, *(*int64)(unsafe.Pointer(v)))
				}
			}
		}
		l.Rows += n
		duck.DestroyDataChunk(&chunk)
	}
	return l, nil
}

// cpuSeconds is the user and system time of this process.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
