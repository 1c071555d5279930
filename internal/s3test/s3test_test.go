package s3test

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestServer(t *testing.T) {
	s := StartOwn(t)
	get := func(path string) int {
		t.Helper()
		resp, err := http.Get(s.Endpoint + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if got := get("/healthz"); got != 200 {
		t.Errorf("GET /healthz: status %d, want 200", got)
	}
	// The bucket is there, and closed to a request that is not signed.
	if got := get("/" + s.Bucket(t) + "/key"); got != 403 {
		t.Errorf("unsigned GET in a bucket: status %d, want 403", got)
	}
	s.Stop()
	if conn, err := net.DialTimeout("tcp", strings.TrimPrefix(s.Endpoint, "http://"), time.Second); err == nil {
		conn.Close()
		t.Error("the port still answers after Stop")
	}
	if _, err := os.Stat(s.dir); !os.IsNotExist(err) {
		t.Errorf("folder %s after Stop: %v, want it gone", s.dir, err)
	}
}

func TestStartIsShared(t *testing.T) {
	a, b := Start(t), Start(t)
	if a != b {
		t.Errorf("two servers: %s and %s", a.Endpoint, b.Endpoint)
	}
	var kept string
	t.Run("bucket", func(t *testing.T) {
		w := a.Warehouse(t)
		if w2 := a.Warehouse(t); w2 == w {
			t.Errorf("two warehouses are both %s", w)
		}
		if got := os.Getenv("AWS_ENDPOINT_URL_S3"); got != a.Endpoint {
			t.Errorf("AWS_ENDPOINT_URL_S3 is %q, want %q", got, a.Endpoint)
		}
		kept = a.Bucket(t)
	})
	if _, err := os.Stat(filepath.Join(a.dir, kept)); !os.IsNotExist(err) {
		t.Errorf("bucket after its test: %v, want it gone", err)
	}
}
