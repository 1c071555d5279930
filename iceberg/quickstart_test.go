package iceberg

import (
	"testing"

	"github.com/substrait-io/substrait-go/v8/extensions"
)

// iceberg-go has loaded its own functions into the collection that stands for the default ones, and they are not read.
func TestQuickStart(t *testing.T) {
	c := extensions.GetDefaultCollectionWithNoError()
	if !c.URILoaded("extension:apache.iceberg:functions_set") {
		t.Error("iceberg-go has another collection: it was initialised first")
	}
	if c.URILoaded(extensions.SubstraitDefaultURIPrefix + "functions_arithmetic.yaml") {
		t.Error("Substrait's functions were read")
	}
}
