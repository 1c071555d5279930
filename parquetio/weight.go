package parquetio

import "unsafe"

// MemoryBytes is what the decoded metadata of the file takes in memory, about: footer, the end of the file that was read first, and
// the page indexes of all row groups, whether they have been read yet or not. It is for caches of files.
func (f *File) MemoryBytes() int64 {
	n := int64(unsafe.Sizeof(*f.fileData)) + int64(cap(f.tail))
	n += int64(len(f.meta.schema)) * 512 // with the lookup by name and by id
	for g := range f.meta.groups {
		n += int64(unsafe.Sizeof(rowGroup{})) + int64(unsafe.Sizeof(groupPages{}))
		for i := range f.meta.groups[g].columns {
			n += f.meta.groups[g].columns[i].memoryBytes()
		}
	}
	return n
}

// What the decoded page index of a chunk takes: indexPageBytes for each page, of which an offset index has one in offsetBytes
// bytes or more, and the bounds, which are as long as in the file.
const (
	indexPageBytes = int64(unsafe.Sizeof(pageLocation{})) + 2*24 + 8 + 1
	offsetBytes    = 8
	// smallest is the size class that a short slice or text is rounded up to, about.
	smallest = 16
)

func (c *columnChunk) memoryBytes() int64 {
	n := int64(unsafe.Sizeof(*c)) + int64(unsafe.Sizeof(chunkPages{}))
	for _, p := range c.path {
		n += 16 + int64(max(len(p), smallest))
	}
	for _, b := range [][]byte{c.stats.min, c.stats.max, c.stats.minValue, c.stats.maxValue} {
		if b != nil {
			n += int64(max(cap(b), smallest))
		}
	}
	return n + int64(c.offsetIndexLength)/offsetBytes*indexPageBytes + int64(c.columnIndexLength)
}
