package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"frostline/rest/api"
)

// The document is valid OpenAPI, and the generated code was made of it as it is.
func TestDocument(t *testing.T) {
	spec, err := openapi3.NewLoader().LoadFromFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := spec.Validate(context.Background()); err != nil {
		t.Error(err)
	}
	want, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	embedded, err := api.GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(embedded)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("rest/api was generated from another openapi.yaml: run go generate ./rest")
	}
}

// The generator makes the committed file. It is fetched and built first, which takes a minute.
func TestGenerated(t *testing.T) {
	if os.Getenv("FROSTLINE_LONG") == "" {
		t.Skip("FROSTLINE_LONG is not set; TestDocument compares the document")
	}
	dir := t.TempDir()
	out, config := filepath.Join(dir, "api.gen.go"), filepath.Join(dir, "oapi.yaml")
	text, err := os.ReadFile("oapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, bytes.Replace(text, []byte("output: api/api.gen.go"), []byte("output: "+out), 1), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "run", "github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2", "-config", config, "openapi.yaml")
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, msg)
	}
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("api/api.gen.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("api/api.gen.go is not what the generator makes: run go generate ./rest")
	}
}
