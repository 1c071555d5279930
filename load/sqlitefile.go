package load

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"frostline/digest"
)

// staleLite is the age at which a temporary file is one that a killed run has left: one that is being built changes all the time.
const staleLite = 24 * time.Hour

// removeStale removes what killed runs left long ago.
func removeStale() {
	left, _ := filepath.Glob(filepath.Join(os.TempDir(), "frostline-*.sqlite"))
	for _, path := range left {
		if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) > staleLite {
			os.Remove(path)
		}
	}
}

// build makes one file of the rows that come, reads it back and puts it in its place.
func (s *SQLite) build(ctx context.Context, src *liteSource, t *liteTarget, f *SQLiteFile, files int, rows <-chan *cells) (err error) {
	path := filepath.Join(os.TempDir(), "frostline-"+rand.Text()+".sqlite")
	defer os.Remove(path)
	facts := slices.Concat([][2]string{{"format", "1"}, {"source", src.location}, {"source_kind", src.kind}}, src.facts,
		[][2]string{{"table", t.table}, {"file", f.File}, {"total_files", strconv.Itoa(files)}, {"first_row", strconv.FormatInt(f.FirstRow, 10)},
			{"rows", strconv.FormatInt(f.Rows, 10)}, {"tool_version", s.Version}})
	if f.Rows == 0 {
		for i := range facts {
			if facts[i][0] == "first_row" {
				facts[i][1] = "0"
			}
		}
	}
	if err := s.fill(ctx, path, src, t.table, f, facts, rows); err != nil {
		return liteError(ctx, path, err)
	}
	if err := check(ctx, path, t.table, len(src.columns), f); err != nil {
		return liteError(ctx, path, err)
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	sum := sha256.New()
	o, err := t.store.Put(ctx, f.File, io.TeeReader(file, sum))
	if err != nil {
		return err
	}
	f.Bytes, f.SHA256 = o.Size, hex.EncodeToString(sum.Sum(nil))
	return nil
}

// liteError says what to do about an error of SQLite.
func liteError(ctx context.Context, path string, err error) error {
	switch code := sqlite.ErrCode(err); {
	case ctx.Err() != nil:
		return ctx.Err()
	case code == sqlite.ResultFull, code.ToPrimary() == sqlite.ResultIOErr:
		return fmt.Errorf("%w; the file is built in %s: free room there, or set TMPDIR to a folder that has some", err, filepath.Dir(path))
	case code == sqlite.ResultTooBig:
		return fmt.Errorf("%w: %w; SQLite holds values of up to 1 GB", ErrRejected, err)
	}
	return err
}

// openLite opens a file that nobody else sees. It can be lost, so nothing is synced and there is no journal.
func openLite(ctx context.Context, path string, flags sqlite.OpenFlags) (*sqlite.Conn, error) {
	conn, err := sqlite.OpenConn(path, flags)
	if err != nil {
		return nil, err
	}
	conn.SetInterrupt(ctx.Done())
	for _, q := range []string{"PRAGMA page_size = 8192", "PRAGMA journal_mode = OFF", "PRAGMA synchronous = OFF", "PRAGMA locking_mode = EXCLUSIVE",
		"PRAGMA cache_size = -32768", "PRAGMA temp_store = FILE"} {
		if err := sqlitex.ExecuteTransient(conn, q, nil); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	return conn, nil
}

// fill writes the tables and the rows in one transaction.
func (s *SQLite) fill(ctx context.Context, path string, src *liteSource, table string, f *SQLiteFile, facts [][2]string, rows <-chan *cells) (err error) {
	conn, err := openLite(ctx, path, sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	run := func(list ...string) error {
		for _, q := range list {
			if err := sqlitex.ExecuteTransient(conn, q, nil); err != nil {
				return err
			}
		}
		return nil
	}
	if err := run("BEGIN"); err != nil {
		return err
	}
	if err := run(src.tables(table)...); err != nil {
		return err
	}
	insert, err := conn.Prepare("INSERT INTO " + liteQuote(table) + " VALUES (" + strings.TrimSuffix(strings.Repeat("?, ", len(src.columns)), ", ") + ")")
	if err != nil {
		return err
	}
	sum := digest.NewHasher(nil)
	for c := range rows {
		if c.err != nil {
			return c.err
		}
		for i := range c.len() {
			row := c.row(i)
			sum.Tuple(row)
			if err := bindRow(insert, row); err != nil {
				return err
			}
			if _, err := insert.Step(); err != nil {
				return fmt.Errorf("row %d: %w", f.FirstRow+sum.Digest.Rows-1, err)
			}
			if err := insert.Reset(); err != nil {
				return err
			}
		}
	}
	if sum.Digest.Rows != f.Rows {
		return fmt.Errorf("%w: %d rows came, %d were expected", ErrProof, sum.Digest.Rows, f.Rows)
	}
	f.Digest = sum.Digest.String()
	for _, fact := range append(facts, [2]string{"values_digest", f.Digest}) {
		if err := run("INSERT INTO " + aboutTable + " VALUES (" + liteLiteral(fact[0]) + ", " + liteLiteral(fact[1]) + ")"); err != nil {
			return err
		}
	}
	if err := run(src.indexSQL(table)...); err != nil {
		return err
	}
	return run("COMMIT")
}

// bindRow binds the cells of a row to the statement's parameters.
func bindRow(stmt *sqlite.Stmt, row []byte) error {
	for param := 1; len(row) > 0; param++ {
		tag := row[0]
		row = row[1:]
		switch tag {
		case nullCell:
			stmt.BindNull(param)
		case intCell:
			stmt.BindInt64(param, int64(binary.LittleEndian.Uint64(row)))
			row = row[8:]
		case realCell:
			stmt.BindFloat(param, math.Float64frombits(binary.LittleEndian.Uint64(row)))
			row = row[8:]
		default:
			n := binary.LittleEndian.Uint32(row)
			value := row[4 : 4+n]
			row = row[4+n:]
			if tag == textCell {
				stmt.BindText(param, string(value))
			} else {
				stmt.BindBytes(param, value)
			}
		}
	}
	return nil
}

// check reads a file back: it is sound, and its cells are those that went in.
func check(ctx context.Context, path, table string, columns int, f *SQLiteFile) (err error) {
	conn, err := openLite(ctx, path, sqlite.OpenReadOnly)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	verdict := ""
	err = sqlitex.ExecuteTransient(conn, "PRAGMA integrity_check(1)", &sqlitex.ExecOptions{ResultFunc: func(stmt *sqlite.Stmt) error {
		verdict = stmt.ColumnText(0)
		return nil
	}})
	if err != nil {
		return err
	}
	if verdict != "ok" {
		return fmt.Errorf("%w: SQLite's integrity check says: %s", ErrProof, verdict)
	}
	sum := digest.NewHasher(nil)
	var row []byte
	err = sqlitex.ExecuteTransient(conn, "SELECT * FROM "+liteQuote(table), &sqlitex.ExecOptions{ResultFunc: func(stmt *sqlite.Stmt) error {
		row = appendRow(row[:0], stmt, columns)
		sum.Tuple(row)
		return nil
	}})
	if err != nil {
		return err
	}
	if got := sum.Digest.String(); got != f.Digest {
		return fmt.Errorf("%w: the file reads back as %s, %s went in", ErrProof, got, f.Digest)
	}
	return nil
}

// appendRow encodes the current row as encodeCells does.
func appendRow(dst []byte, stmt *sqlite.Stmt, columns int) []byte {
	for i := range columns {
		switch stmt.ColumnType(i) {
		case sqlite.TypeNull:
			dst = append(dst, nullCell)
		case sqlite.TypeInteger:
			dst = appendInt(dst, stmt.ColumnInt64(i))
		case sqlite.TypeFloat:
			dst = binary.LittleEndian.AppendUint64(append(dst, realCell), math.Float64bits(stmt.ColumnFloat(i)))
		case sqlite.TypeText:
			dst = appendBytes(append(dst, textCell), stmt, i)
		default:
			dst = appendBytes(append(dst, blobCell), stmt, i)
		}
	}
	return dst
}

func appendBytes(dst []byte, stmt *sqlite.Stmt, i int) []byte {
	n := stmt.ColumnLen(i)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(n))
	dst = slices.Grow(dst, n)
	stmt.ColumnBytes(i, dst[len(dst):len(dst)+n])
	return dst[:len(dst)+n]
}
