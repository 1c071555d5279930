package e2e

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"frostline/internal/cli"
)

// Each mistake gets one clear line on stderr, nothing on stdout, and its own exit code.
func TestErrors(t *testing.T) {
	w := newWorld(t, "file://"+t.TempDir())
	w.db.Exec(t, `
		CREATE TABLE tx (id bigint, at date NOT NULL) PARTITION BY RANGE (at);
		CREATE TABLE tx_2024_01 PARTITION OF tx FOR VALUES FROM ('2024-01-01') TO ('2024-01-16');
		CREATE TABLE tx_2024_01b PARTITION OF tx FOR VALUES FROM ('2024-01-16') TO ('2024-02-01');
		CREATE TABLE tx_2024_02 PARTITION OF tx FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
		INSERT INTO tx SELECT i, '2024-02-01'::date + i % 28 FROM generate_series(1, 100) i;
		CREATE TABLE plain (id int, day date)`)
	w.run("archive", "--table", "tx", "--partition-column", "at", "--partition-value", "2024-02")

	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free := closed.Addr().String()
	closed.Close()
	lax := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { rw.WriteHeader(http.StatusOK) }))
	defer lax.Close()
	keys := []string{"AWS_ACCESS_KEY_ID=k", "AWS_SECRET_ACCESS_KEY=verysecretkey", "ARCHIVE_WAREHOUSE=s3://bucket/prefix"}
	archive := []string{"archive", "--table", "tx", "--partition-column", "at", "--partition-value", "2024-02"}

	for _, c := range []struct {
		name string
		args []string
		env  []string
		code int
		want []string
	}{
		{"wrong flag", []string{"archive", "--tabel", "tx"}, nil, cli.Usage, []string{"--tabel", "--table"}},
		{"missing flag", []string{"archive", "--table", "tx"}, nil, cli.Usage, []string{"--partition-column"}},
		{"no warehouse", archive, []string{"ARCHIVE_WAREHOUSE="}, cli.Usage, []string{"ARCHIVE_S3_BUCKET"}},
		{"no server", archive, []string{"DATABASE_URL="}, cli.Usage, []string{"AURORA_HOST"}},
		{"unknown table", []string{"archive", "--table", "tz", "--partition-column", "at", "--partition-value", "2024-02"}, nil, cli.NotFound, []string{"public.tz", "nearest: tx"}},
		{"unknown column", []string{"archive", "--table", "plain", "--partition-column", "dya", "--partition-value", "2024-02-01"}, nil, cli.NotFound, []string{"dya", "day"}},
		{"type mismatch", []string{"archive", "--table", "plain", "--partition-column", "day", "--partition-value", "January"}, nil, cli.Usage, []string{"January", "date"}},
		{"missing partition", []string{"archive", "--table", "tx", "--partition-column", "at", "--partition-value", "2030-01"}, nil, cli.NotFound, []string{"2030-01", "tx_2024_02"}},
		{"ambiguous partition", []string{"archive", "--table", "tx", "--partition-column", "at", "--partition-value", "2024-01"}, nil, cli.Usage, []string{"tx_2024_01", "tx_2024_01b"}},
		{"retire a plain table", []string{"archive", "--table", "plain", "--partition-column", "day", "--partition-value", "2024-01-01", "--retire", "drop"}, nil, cli.Usage, []string{"not a partitioned table"}},
		{"unreachable server", archive, []string{"DATABASE_URL=postgres://u:topsecret@" + free + "/d"}, cli.NoServer, []string{free}},
		{"unreachable store", archive, append([]string{"AWS_ENDPOINT_URL_S3=http://" + free}, keys...), cli.NoStore, []string{"s3://bucket/prefix"}},
		{"store without conditional puts", archive, append([]string{"AWS_ENDPOINT_URL_S3=" + lax.URL}, keys...), cli.NoConditional, []string{"s3://bucket/prefix", "conditional"}},
		{"outside the warehouse", []string{"restore", "--source-path", "s3://other/x/public/tx/at=2024-02", "--target-table", "s"}, nil, cli.Usage, []string{"s3://other", "outside the warehouse"}},
		{"not archived", []string{"restore", "--source-path", w.warehouse + "/public/tx/at=2024-03", "--target-table", "s"}, nil, cli.NotFound, []string{"2024-03"}},
		{"a whole table", []string{"restore", "--source-path", w.warehouse + "/public/tx", "--target-table", "s"}, nil, cli.Usage, []string{"at=2024-02"}},
		{"no target", []string{"restore", "--source-path", w.warehouse + "/public/tx/at=2024-02"}, nil, cli.Usage, []string{"--target-table"}},
		{"no-create without a table", []string{"restore", "--source-path", w.warehouse + "/public/tx/at=2024-02", "--target-table", "s", "--no-create"}, nil, cli.Conflict, []string{"no such table"}},
		{"no-create with another table", []string{"restore", "--source-path", w.warehouse + "/public/tx/at=2024-02", "--target-table", "plain", "--no-create"}, nil, cli.Conflict, []string{`"id"`, "integer", "bigint"}},
		{"target exists", []string{"restore", "--source-path", w.warehouse + "/public/tx/at=2024-02", "--target-table", "tx_2024_01"}, nil, cli.Conflict, []string{"0 rows", "100"}},
		{"queryd flag", []string{"queryd", "--lisen", ":1"}, nil, cli.Usage, []string{"--lisen", "--listen"}},
		{"queryd address", []string{"queryd", "--listen", "256.0.0.1:1"}, nil, cli.Usage, []string{"256.0.0.1:1"}},
		{"queryd store", []string{"queryd", "--listen", "127.0.0.1:0"}, append([]string{"AWS_ENDPOINT_URL_S3=http://" + free}, keys...), cli.NoStore, []string{"s3://bucket/prefix"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := *w
			w.t = t
			w.env = append(append([]string(nil), w.env...), c.env...)
			stdout, stderr, code := w.exec(c.args[0], append(c.args[1:], "--quiet")...)
			if code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			line := strings.TrimSuffix(stderr, "\n")
			if line == "" || strings.Contains(line, "\n") {
				t.Errorf("stderr is not one line: %q", stderr)
			}
			for _, want := range c.want {
				if !strings.Contains(line, want) {
					t.Errorf("%q does not name %q", line, want)
				}
			}
			for _, secret := range []string{"topsecret", "verysecretkey"} {
				if strings.Contains(stdout+stderr, secret) {
					t.Errorf("the error shows a secret: %s", line)
				}
			}
			if stdout != "" {
				t.Errorf("stdout %q", stdout)
			}
			t.Logf("%d %s", code, line)
		})
	}
}
