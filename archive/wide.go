package archive

import (
	"frostline/internal/runs"
	"frostline/postgres"
)

const (
	// wideToast is how many times larger than its heap a relation is whose rows have about half a megabyte: a row of TOAST
	// pointers takes some 60 bytes.
	wideToast = 1 << 13
	// wideGroup is the size of a row group, as stored, from which on one is read back at a time.
	wideGroup = 16 << 20
)

// longValues is held by whoever has a value of more than 16 MiB in memory, copying or reading back, or reads back a row group of
// wideGroup. There is one of them in the process, also where several partitions are archived at once.
var longValues runs.Turn

// isWide tells whether most rows are so long that one worker is enough, since long values are copied one at a time.
func isWide(s postgres.Sizes) bool { return s.Toast/wideToast >= max(s.Heap, 1) }
