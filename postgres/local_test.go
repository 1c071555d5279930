package postgres

import "testing"

func TestLocal(t *testing.T) {
	for host, want := range map[string]bool{
		"/var/run/postgresql": true, "localhost": true, "127.0.0.1": true, "127.0.1.1": true, "::1": true,
		"10.0.0.1": false, "db.example.com": false, "localhost.example.com": false, "": false,
	} {
		if got := local(host); got != want {
			t.Errorf("local(%q) = %v, want %v", host, got, want)
		}
	}
}
