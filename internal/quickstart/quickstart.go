// Package quickstart keeps a library from reading 600 kB of YAML whenever one of our commands starts.
//
// iceberg-go, in a variable of its package table/substrait, loads the definitions of all functions that Substrait has: 40 to 80
// milliseconds and 33 MB before main, for scans that it could execute. We never let it execute one; our readers evaluate
// predicates. Importing this package puts a collection without functions in their place; a scan by iceberg-go with a filter
// would find none, and say so.
//
// It works since packages without dependencies on one another are initialised in the order of their import paths (Go
// specification, "Program initialization"), and this one's comes before github.com. Were that otherwise, the definitions
// would be read, and nothing else would change; were the variable gone, the program would not link.
package quickstart

import (
	"strings"
	"sync"
	_ "unsafe" // for go:linkname

	"github.com/substrait-io/substrait-go/v8/extensions"
)

//go:linkname defaults github.com/substrait-io/substrait-go/v8/extensions.getDefaultCollectionOnce
var defaults func() (*extensions.Collection, error)

func init() {
	defaults = sync.OnceValues(func() (*extensions.Collection, error) {
		var c extensions.Collection
		err := c.Load("extension:frostline:none", strings.NewReader("urn: extension:frostline:none\n"))
		return &c, err
	})
}
