// Package page is queryd's page for people: HTML, CSS and JavaScript modules in the binary, that use the public API and
// nothing from elsewhere.
//
// The page holds no data and needs no rights: what it shows comes from the API, asked by the reader's browser with the
// reader's key. Names and values reach the document as text only, and the Content-Security-Policy lets no inline script or
// style run, so that a hostile name stays a name.
package page

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

//go:embed files
var files embed.FS

// Policy is the Content-Security-Policy of the page.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Handler serves the page at / and its parts at /page/{file}. Anything else is a 404. It may be used by many goroutines.
func Handler() http.Handler {
	parts := map[string]part{}
	entries, err := fs.ReadDir(files, "files")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	for _, e := range entries {
		content, err := files.ReadFile("files/" + e.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(content)
		parts[e.Name()] = part{content, contentType(e.Name()), `"` + hex.EncodeToString(sum[:8]) + `"`}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, ok := strings.CutPrefix(r.URL.Path, "/page/")
		if r.URL.Path == "/" {
			name, ok = "index.html", true
		}
		p, found := parts[name]
		if !ok || !found {
			http.NotFound(w, r)
			return
		}
		p.serve(w, r)
	})
}

// part is one file of the page.
type part struct {
	content     []byte
	contentType string
	etag        string
}

func (p part) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", p.contentType)
	h.Set("Content-Security-Policy", Policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache") // ask each time: another version of the binary has other parts
	h.Set("ETag", p.etag)
	if r.Header.Get("If-None-Match") == p.etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(p.content) // a reader that has gone needs no answer
}

// contentType does not depend on the tables of the machine.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return "application/octet-stream"
}
