package postgres

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"frostline/internal/pgtest"
)

func TestPinnedSettings(t *testing.T) {
	_, pg := start(t)
	pg.Exec(t, `ALTER DATABASE `+pg.Name+` SET "DateStyle" = 'German'; ALTER DATABASE `+pg.Name+` SET "TimeZone" = 'Asia/Tokyo'; ALTER DATABASE `+pg.Name+` SET bytea_output = escape`)
	db := open(t, pg.DSN+"&datestyle=SQL&search_path=public") // a user's own settings in the DSN lose too
	rows, err := db.QueryText(t.Context(), "show", `SELECT '2024-02-01 03:04:05.5+09'::timestamptz::text, '\x01ff'::bytea::text, (0.1::float8 + 0.2)::text,
		'1 year 2 days'::interval::text, current_setting('search_path'), current_setting('lc_monetary'), current_setting('application_name')`)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(rowText(rows[0]), "|"), `2024-01-31 18:04:05.5+00|\x01ff|0.30000000000000004|1 year 2 days|pg_catalog|C|frostline test`; got != want {
		t.Errorf("settings give %s\nwant %s", got, want)
	}
	if db.Version()/10000 != pg.Server.Major || !strings.HasPrefix(db.ServerVersion(), pg.One(t, "SHOW server_version")) {
		t.Errorf("version %d, %s", db.Version(), db.ServerVersion())
	}
}

func TestOpenErrors(t *testing.T) {
	srv := pgtest.Start(t)
	const closed = "127.0.0.1:1" // a port that nobody has taken since
	tests := []struct {
		name, dsn string
		says      []string
	}{
		{"nobody listens", "postgres://u:hunter2@" + closed + "/d?sslmode=disable", []string{"connect to " + closed, `database "d"`, `user "u"`}},
		{"no such database", strings.Replace(srv.DSN("nope"), "postgres@", "postgres:hunter2@", 1), []string{`database "nope" does not exist`}},
		{"no such role", strings.Replace(srv.DSN("postgres"), "postgres@", "nobody:hunter2@", 1), []string{`role "nobody" does not exist`}},
		{"malformed escape", "postgres://u:hunter2%zz@localhost/d", []string{"cannot be parsed"}},
		{"malformed port", "postgres://u:hunter2@localhost:hunter2/d", []string{"cannot be parsed"}},
		{"malformed key=value", "host=localhost password='hunter2", []string{"cannot be parsed"}},
		{"invalid setting", "host=localhost password=hunter2 sslmode=hunter2", []string{"cannot be parsed"}},
		{"password with a slash", "postgres://u:hunter2/x@localhost:5/d", []string{"cannot be parsed"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Open(t.Context(), Config{DSN: tt.dsn})
			if !errors.Is(err, ErrUnreachable) {
				t.Fatalf("error %v, want ErrUnreachable", err)
			}
			mustContain(t, err, tt.says...)
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the password stands in %q", err)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, Config{DSN: srv.DSN("postgres")}); !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnreachable) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestIAMToken(t *testing.T) {
	srv := pgtest.Start(t)
	var asked []string
	token := func(_ context.Context, hostPort, user string) (string, error) {
		asked = append(asked, user+"@"+hostPort)
		return "secret-token", nil
	}
	db, err := Open(t.Context(), Config{DSN: srv.DSN("postgres"), IAM: true, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	db.Close()
	if len(asked) != 1 || !strings.HasPrefix(asked[0], "postgres@127.0.0.1:") {
		t.Errorf("tokens asked for %q", asked)
	}
	_, err = Open(t.Context(), Config{DSN: srv.DSN("postgres"), IAM: true, Token: func(context.Context, string, string) (string, error) {
		return "", errors.New("no credentials")
	}})
	mustContain(t, err, "IAM token for 127.0.0.1:", "no credentials")
}

// A token is never sent in clear text over a network.
func TestIAMWantsTLS(t *testing.T) {
	token := func(context.Context, string, string) (string, error) { return "secret-token", nil }
	for _, tt := range []struct {
		dsn  string
		ways int // 0: refused
	}{
		{"host=db.example dbname=d user=u sslmode=prefer", 1},
		{"host=db.example dbname=d user=u sslmode=allow", 1},
		{"host=db.example dbname=d user=u sslmode=verify-full", 1},
		{"host=db.example dbname=d user=u sslmode=disable", 0},
		{"host=127.0.0.1 dbname=d user=u sslmode=disable", 1},
		{"host=a.example,127.0.0.1 dbname=d user=u sslmode=disable", 1},
	} {
		pc, err := poolConfig(Config{DSN: tt.dsn, IAM: true, Token: token})
		if tt.ways == 0 {
			if !errors.Is(err, ErrBadValue) {
				t.Errorf("%s: %v", tt.dsn, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.dsn, err)
			continue
		}
		if cc := pc.ConnConfig; 1+len(cc.Fallbacks) != tt.ways || cc.TLSConfig == nil && cc.Host != "127.0.0.1" {
			t.Errorf("%s: %d ways, the first to %s with TLS %v", tt.dsn, 1+len(cc.Fallbacks), cc.Host, cc.TLSConfig != nil)
		}
	}
}

// pooler stands in front of the server as PgBouncer does: it refuses startup parameters that it does not track.
func pooler(t *testing.T, backend string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go serve(client, backend)
		}
	}()
	return l.Addr().String()
}

func serve(client net.Conn, backend string) {
	defer client.Close()
	r := bufio.NewReader(client)
	head, err := r.Peek(4)
	if err != nil {
		return
	}
	startup := make([]byte, binary.BigEndian.Uint32(head))
	if _, err := io.ReadFull(r, startup); err != nil {
		return
	}
	if strings.Contains(string(startup), "extra_float_digits") {
		body := "SFATAL\x00C08P01\x00Munsupported startup parameter: extra_float_digits\x00\x00"
		client.Write(append(binary.BigEndian.AppendUint32([]byte{'E'}, uint32(len(body)+4)), body...))
		return
	}
	server, err := net.Dial("tcp", backend)
	if err != nil {
		return
	}
	defer server.Close()
	server.Write(startup)
	go io.Copy(server, r)
	io.Copy(client, server)
}

func TestPoolerRefusesParameters(t *testing.T) {
	pg := pgtest.Start(t).Database(t)
	direct := open(t, pg.DSN)
	if direct.pooled {
		t.Error("a direct connection is taken for a pooler")
	}
	backend := strings.Split(strings.TrimPrefix(pg.DSN, "postgres://postgres@"), "/")[0]
	db := open(t, strings.Replace(pg.DSN, backend, pooler(t, backend), 1))
	rows, err := db.QueryText(t.Context(), "show", "SELECT current_setting('search_path'), current_setting('extra_float_digits'), current_setting('DateStyle')")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(rowText(rows[0]), "|"); got != "pg_catalog|3|ISO, MDY" || !db.pooled {
		t.Errorf("settings %s, pooled %v", got, db.pooled)
	}
	if err := db.RunStep(t.Context(), Step{Name: "make", SQL: []string{"CREATE TABLE public.x ()"}, Tx: true}); err != nil {
		t.Error(err)
	}
}

func TestErrorKinds(t *testing.T) {
	srv := pgtest.Start(t)
	role := srv.Role(t, "weak", "")
	pg := srv.Database(t)
	pg.Exec(t, `CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE f (id int REFERENCES t)`)
	db, weak := open(t, pg.DSN), open(t, pg.DSNAs(role, ""))
	tests := []struct {
		name string
		db   *DB
		sql  string
		kind error
		says string
	}{
		{"privilege", weak, "SELECT * FROM public.t", ErrPrivilege, "read x: privilege is missing: permission denied for table t"},
		{"table", db, "SELECT * FROM public.nope", ErrNoTable, `relation "public.nope" does not exist`},
		{"column", db, "SELECT idd FROM public.t", ErrNoColumn, `hint: Perhaps you meant`},
		{"foreign key", db, "INSERT INTO public.f VALUES (7)", ErrForeignKey, `Key (id)=(7) is not present`},
		{"value", db, "SELECT 'x'::int", ErrBadValue, "SQLSTATE 22P02"},
		{"the server ends the session", db, "SELECT pg_terminate_backend(pg_backend_pid())", ErrUnreachable, "terminating connection"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.db.Exec(t.Context(), "read x", tt.sql)
			if !errors.Is(err, tt.kind) {
				t.Fatalf("error %v, want %v", err, tt.kind)
			}
			mustContain(t, err, tt.says)
		})
	}
	if err := db.Exec(t.Context(), "again", "SELECT 1"); err != nil {
		t.Errorf("the pool does not recover: %v", err)
	}
}

func TestTryLock(t *testing.T) {
	db, pg := start(t)
	other := open(t, pg.DSN)
	release, ok, err := db.TryLock(t.Context(), "public.tx")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if _, ok, err := other.TryLock(t.Context(), "public.tx"); ok || err != nil {
		t.Errorf("the lock is granted twice: %v %v", ok, err)
	}
	if free, ok, err := other.TryLock(t.Context(), "public.ty"); !ok || err != nil {
		t.Errorf("another key is locked: %v %v", ok, err)
	} else {
		free()
	}
	release()
	release()
	free, ok, err := other.TryLock(t.Context(), "public.tx")
	if !ok || err != nil {
		t.Fatalf("the lock is not released: %v %v", ok, err)
	}
	free()
}
