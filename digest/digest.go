// Package digest is the order-independent digest of a table's rows: the sum modulo 2^128 of the
// 128-bit xxh3 of each row's COPY-binary tuple, and the number of rows. Because addition
// commutes, it can be taken in parallel and survives compaction.
//
// What is hashed of a tuple is, for each field, its int32 length and its bytes, as PostgreSQL sent
// them; the int16 field count is not. Two things are changed before, since they differ where the
// values are equal:
//
//   - bytes 4 to 12 of an array value, the null flag and the element OID, are left out: they differ
//     between databases. The field's length is hashed as it was sent, with those eight bytes counted.
//   - a NaN of a float4 or float8, also in an array, is hashed as 7fc00000 or 7ff8000000000000, whatever
//     its bits: PostgreSQL has one NaN, and a table that is loaded by text COPY gets that one
//     ('infinity' - 'infinity' is another on x86). Archived columns keep the bits.
//
// It guards against mistakes and decay, not against forgery.
package digest

import (
	"encoding/hex"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// Digest is the sum and the count. The zero value is the digest of no rows.
type Digest struct {
	Hi, Lo uint64
	Rows   int64
}

// Add adds the rows of e.
func (d *Digest) Add(e Digest) {
	var carry uint64
	d.Lo, carry = bits.Add64(d.Lo, e.Lo, 0)
	d.Hi, _ = bits.Add64(d.Hi, e.Hi, carry)
	d.Rows += e.Rows
}

const prefix = "xxh3-128:"

// String is "xxh3-128:<32 hex digits>:<rows>".
func (d Digest) String() string {
	return fmt.Sprintf("%s%016x%016x:%d", prefix, d.Hi, d.Lo, d.Rows)
}

// Parse reads what String prints, and nothing else.
func Parse(s string) (Digest, error) {
	rest, ok := strings.CutPrefix(s, prefix)
	if !ok {
		return Digest{}, fmt.Errorf("parse digest %q: it does not start with %q", s, prefix)
	}
	sum, rows, ok := strings.Cut(rest, ":")
	if b, err := hex.DecodeString(sum); !ok || err != nil || len(b) != 16 {
		return Digest{}, fmt.Errorf("parse digest %q: want 32 hex digits, a colon and the row count", s)
	}
	n, err := strconv.ParseInt(rows, 10, 64)
	if err != nil || n < 0 {
		return Digest{}, fmt.Errorf("parse digest %q: %q is not a row count", s, rows)
	}
	d := Digest{Rows: n}
	d.Hi, _ = strconv.ParseUint(sum[:16], 16, 64) // 16 hex digits, checked above
	d.Lo, _ = strconv.ParseUint(sum[16:], 16, 64)
	if d.String() != s {
		return Digest{}, fmt.Errorf("parse digest %q: it is not in the form that is printed, %s", s, d)
	}
	return d, nil
}
