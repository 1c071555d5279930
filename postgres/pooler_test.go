package postgres

import (
	"net/url"
	"testing"

	"frostline/internal/pgtest"
)

func TestPoolerName(t *testing.T) {
	for _, tt := range []struct {
		host string
		port uint16
		want string
	}{
		{"ep-cool-1234-pooler.eu-central-1.aws.neon.tech", 5432, "a pooled Neon endpoint"},
		{"ep-cool-1234.eu-central-1.aws.neon.tech", 5432, ""},
		{"app.proxy-c0abc1.eu-west-1.rds.amazonaws.com", 5432, "an RDS Proxy"},
		{"main.cluster-c0abc1.eu-west-1.rds.amazonaws.com", 5432, ""},
		{"127.0.0.1", 6432, "PgBouncer"},
		{"my-pooler.example.com", 5432, "a pooled Neon endpoint"},
		{"db", 5432, ""},
	} {
		if got := poolerName(tt.host, tt.port); got != tt.want {
			t.Errorf("%s:%d is %q, want %q", tt.host, tt.port, got, tt.want)
		}
	}
}

// A real PgBouncer, where one is installed, in both of its modes.
func TestPreflightPgBouncer(t *testing.T) {
	for mode, want := range map[string]string{
		"transaction": "error archive pooler-loses-session",
		"session":     "warning archive pooler",
	} {
		t.Run(mode, func(t *testing.T) {
			pg := pgtest.Start(t).Database(t)
			pg.Exec(t, preflightSchema)
			dsn, err := url.Parse(pg.PgBouncer(t, mode))
			if err != nil {
				t.Fatal(err)
			}
			db := open(t, dsn.String())
			if _, got := found(t, db, "public.leaf", PreflightOptions{}); got != want+" "+dsn.Host {
				t.Errorf("found %s", got)
			}
		})
	}
}
