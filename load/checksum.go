package load

import (
	"bufio"
	"fmt"
	"hash/crc32"
	"io"

	pqfile "github.com/apache/arrow-go/v18/parquet/file"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// checkPages reads the column chunks of leaves and compares the pages with their CRC32, which the Parquet library does not.
// A chunk whose first page has none is not read: not all writers store them (Spark does, pyarrow only when told). Headers that
// cannot be read are left to the library, which knows the faults of older writers.
func (o *object) checkPages(r *pqfile.Reader, leaves []int) error {
	for g := range r.NumRowGroups() {
		meta := r.MetaData().RowGroup(g)
		for _, leaf := range leaves {
			c, err := meta.ColumnChunk(leaf)
			if err != nil {
				return fmt.Errorf("%w: %w", ErrCorrupt, err)
			}
			start := c.DataPageOffset()
			if d := c.DictionaryPageOffset(); c.HasDictionaryPage() && d > 0 && d < start {
				start = d
			}
			if err := o.checkChunk(start, c.TotalCompressedSize()); err != nil {
				return fmt.Errorf("%w: column %s, row group %d: %w", ErrCorrupt, c.PathInSchema(), g, err)
			}
		}
	}
	return o.err
}

func (o *object) checkChunk(start, size int64) error {
	// The first read is small: it tells whether there is something to check.
	r := bufio.NewReaderSize(io.NewSectionReader(o, start, min(size, o.size-start)), 4<<10)
	var protocol thrift.CompactProtocol
	sum := crc32.NewIEEE()
	for page := 0; ; page++ {
		var h format.PageHeader
		if err := thrift.NewDecoder(protocol.NewReader(r)).Decode(&h); err != nil || h.CompressedPageSize < 0 || h.CRC == 0 {
			return nil //nolint:nilerr // the end, no checksum, or nothing that this can read
		}
		if page == 0 {
			r = bufio.NewReaderSize(r, chunkBuffer)
		}
		sum.Reset()
		if _, err := io.CopyN(sum, r, int64(h.CompressedPageSize)); err != nil {
			return nil //nolint:nilerr // whoever decodes the page meets the same error
		}
		if sum.Sum32() != uint32(h.CRC) {
			return fmt.Errorf("page %d: its checksum is %08x, the header says %08x", page, sum.Sum32(), uint32(h.CRC))
		}
	}
}
