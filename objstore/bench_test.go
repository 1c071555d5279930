package objstore_test

import (
	"bytes"
	"io"
	"testing"

	"frostline/internal/s3test"
	"frostline/objstore"
)

// BenchmarkStores moves 64 MiB through each store. Both servers and clients are on this machine.
func BenchmarkStores(b *testing.B) {
	data := content(64 << 20)
	for name, location := range map[string]string{"file": "file://" + b.TempDir(), "s3": s3test.Start(b).Warehouse(b)} {
		s, err := objstore.Open(b.Context(), location, objstore.Options{})
		if err != nil {
			b.Fatal(err)
		}
		run := func(what string, do func() error) {
			b.Run(name+"/"+what, func(b *testing.B) {
				b.SetBytes(int64(len(data)))
				for b.Loop() {
					if err := do(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		run("put", func() error {
			_, err := s.Put(b.Context(), "k", struct{ io.Reader }{bytes.NewReader(data)})
			return err
		})
		run("get", func() error {
			body, _, err := s.Get(b.Context(), "k")
			if err != nil {
				return err
			}
			defer body.Close()
			_, err = io.Copy(io.Discard, body)
			return err
		})
		run("ranges", func() error {
			_, err := s.ReadRanges(b.Context(), "k", []objstore.Range{{Off: 0, Len: int64(len(data))}})
			return err
		})
	}
}
