package objstore_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"frostline/internal/s3test"
	"frostline/objstore"
)

// What of a Storage goes with which object, in the headers that S3 gets. The server here knows no KMS and its bucket no lock, so the
// proxy answers in its place.
func TestStorageHeaders(t *testing.T) {
	p, plain := startProxy(t, objstore.Options{MaxAttempts: 1})
	s, err := objstore.WithStorage(plain, objstore.Storage{
		Class: "GLACIER_IR", Encryption: "SSE-KMS", KMSKey: "alias/archive", LockMode: "compliance", LockDays: 30,
	})
	if err != nil {
		t.Fatal(err)
	}
	sse, err := objstore.WithStorage(plain, objstore.Storage{Encryption: "SSE-S3"})
	if err != nil {
		t.Fatal(err)
	}
	large := content(20 << 20) // in parts
	const kms = "aws:kms alias/archive"
	for _, c := range []struct {
		name  string
		store objstore.Store
		key   string
		data  []byte
		make  bool
		want  string // class, encryption, key, lock
	}{
		{"data file", s, "s/t/at=1/data/f.parquet", content(100), false, "GLACIER_IR " + kms + " COMPLIANCE"},
		{"large data file", s, "s/t/at=1/data/g.parquet", large, false, "GLACIER_IR " + kms + " COMPLIANCE"},
		{"record", s, "s/t/at=1/schema_snapshot-run.json", content(100), false, " " + kms + " COMPLIANCE"},
		{"manifest", s, "s/t/metadata/m0.avro", content(100), false, " " + kms + " "},
		{"hint", s, "s/t/metadata/version-hint.text", content(1), false, " " + kms + " "},
		{"version", s, "s/t/metadata/v1.metadata.json", content(100), true, " " + kms + " "},
		{"SSE-S3", sse, "s/t/at=1/data/h.parquet", content(100), false, " AES256  "},
		{"the bucket's own", plain, "s/t/at=1/data/i.parquet", content(100), false, "   "},
	} {
		var heads []http.Header
		p.set(func(_ int, w http.ResponseWriter, r *http.Request) bool {
			heads = append(heads, r.Header.Clone())
			answerError(w, http.StatusForbidden, "AccessDenied")
			return true
		}, nil)
		if c.make {
			err = c.store.Create(t.Context(), c.key, c.data)
		} else {
			_, err = c.store.Put(t.Context(), c.key, strings.NewReader(string(c.data)))
		}
		if err == nil || len(heads) == 0 {
			t.Fatalf("%s: error %v after %d requests", c.name, err, len(heads))
		}
		h := heads[0]
		got := strings.Join([]string{h.Get("X-Amz-Storage-Class"), h.Get("X-Amz-Server-Side-Encryption"),
			h.Get("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"), h.Get("X-Amz-Object-Lock-Mode")}, " ")
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		until := h.Get("X-Amz-Object-Lock-Retain-Until-Date")
		if (until != "") != strings.HasSuffix(c.want, "COMPLIANCE") {
			t.Errorf("%s: retained until %q", c.name, until)
		}
		if until != "" {
			at, err := time.Parse(time.RFC3339, until)
			if days := time.Until(at).Hours() / 24; err != nil || days < 29.9 || days > 30.1 {
				t.Errorf("%s: retained until %s, %v", c.name, until, err)
			}
		}
	}
}

// With encryption and a class the server takes what is written, and it can be read.
func TestStorageOnTheServer(t *testing.T) {
	location := s3test.Start(t).Warehouse(t)
	s := open(t, location, objstore.Options{Storage: objstore.Storage{Class: "STANDARD_IA", Encryption: "SSE-S3"}})
	if err := s.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := content(9 << 20)
	mustPut(t, s, "a/b.parquet", want)
	if got, err := readAll(t, s, "a/b.parquet"); err != nil || string(got) != string(want) {
		t.Errorf("%d bytes read, %v", len(got), err)
	}
}

func TestStorageIsChecked(t *testing.T) {
	for _, c := range []struct {
		storage objstore.Storage
		says    string
	}{
		{objstore.Storage{Class: "DEEP_ARCHIVE"}, "cannot be read back"},
		{objstore.Storage{Class: "standard_ia"}, `storage class "standard_ia" is none of STANDARD, STANDARD_IA`},
		{objstore.Storage{Encryption: "AES256"}, `encryption "AES256" is none of SSE-S3, SSE-KMS`},
		{objstore.Storage{Encryption: "SSE-S3", KMSKey: "k"}, "a KMS key needs the encryption SSE-KMS"},
		{objstore.Storage{LockMode: "governance"}, "1 to 36500"},
		{objstore.Storage{LockDays: 3}, "without a mode"},
		{objstore.Storage{LockMode: "legal", LockDays: 3}, `object lock mode "legal" is none of governance, compliance`},
	} {
		if _, err := objstore.Open(t.Context(), "s3://bucket", objstore.Options{Storage: c.storage}); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v, want %q", c.storage, err, c.says)
		}
	}
	_, err := objstore.Open(t.Context(), "file://"+t.TempDir(), objstore.Options{Storage: objstore.Storage{Class: "STANDARD_IA"}})
	if err == nil || !strings.Contains(err.Error(), "this warehouse has none of them") {
		t.Errorf("a local folder: %v", err)
	}
}
