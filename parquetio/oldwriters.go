package parquetio

import (
	"strconv"
	"strings"
)

// dictHeaderBytes is the most that parquet-mr before 1.2.9 left out of a chunk's size: the header of its dictionary page
// (PARQUET-816, IMPALA-694).
const dictHeaderBytes = 100

// shortChunks says whether a writer of that name left these bytes out.
func shortChunks(createdBy string) bool {
	rest, ok := strings.CutPrefix(createdBy, "parquet-mr")
	if !ok {
		return false
	}
	_, version, ok := strings.Cut(rest, "version ")
	if !ok {
		return true // older than versions
	}
	version, _, _ = strings.Cut(version, " ")
	for i, part := range strings.SplitN(version, ".", 3) {
		digits := part[:len(part)-len(strings.TrimLeft(part, "0123456789"))]
		n, err := strconv.Atoi(digits)
		if fixed := [...]int{1, 2, 9}[i]; err != nil || n > fixed {
			return false
		} else if n < fixed {
			return true
		}
	}
	return false
}

// pad makes the chunk as long as it may be in a file of size bytes. What follows its last page is not looked at.
func (c *columnChunk) pad(size int64) {
	off, n := c.extent()
	if n < 0 || off < 0 || off > size || n > size-off {
		return // which is refused
	}
	c.compressed += min(dictHeaderBytes, size-off-n)
	c.padded = true
}
