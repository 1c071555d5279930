package parquetio

import "frostline/coltype"

// ChunkBytes is what column c takes in row group rg: in the file, and decompressed with dictionaries as they
// are; zero where the file lacks it.
func (f *File) ChunkBytes(rg int, c coltype.Column) (stored, decompressed int64) {
	return f.chunkBytes(rg, f.schema.find(c))
}

// ExactBytes is ChunkBytes of the side column.
func (f *File) ExactBytes(rg int) (stored, decompressed int64) {
	return f.chunkBytes(rg, f.schema.exactColumn())
}

func (f *File) chunkBytes(rg int, col *fileColumn) (stored, decompressed int64) {
	if col == nil {
		return 0, 0
	}
	for _, leaf := range col.leaves {
		c := &f.meta.groups[rg].columns[leaf.ordinal]
		stored += max(c.compressed, 0)
		decompressed += max(c.uncompressed, 0)
	}
	return stored, decompressed
}
