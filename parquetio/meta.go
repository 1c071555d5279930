package parquetio

// The structs of parquet.thrift that are used here, with their field ids in read and write.

type physical int32

const (
	physBool      physical = 0
	physInt32     physical = 1
	physInt64     physical = 2
	physInt96     physical = 3
	physFloat     physical = 4
	physDouble    physical = 5
	physByteArray physical = 6
	physFixed     physical = 7
)

func (p physical) String() string {
	names := [...]string{"BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"}
	if p < 0 || int(p) >= len(names) {
		return "unknown type"
	}
	return names[p]
}

const (
	encPlain           = 0
	encPlainDictionary = 2
	encRLE             = 3
	encBitPacked       = 4
	encDelta           = 5
	encDeltaLength     = 6
	encDeltaByteArray  = 7
	encRLEDictionary   = 8
	encByteStreamSplit = 9
)

const (
	codecNone   = 0
	codecSnappy = 1
	codecGzip   = 2
	codecBrotli = 4 // read only
	codecLZ4    = 5 // read only
	codecZstd   = 6
	codecLZ4Raw = 7
)

const (
	repRequired = 0
	repOptional = 1
	repRepeated = 2
)

const (
	pageData       = 0
	pageIndex      = 1
	pageDictionary = 2
	pageDataV2     = 3
)

// logical type kinds: the field ids of the LogicalType union.
const (
	logicalString    = 1
	logicalMap       = 2
	logicalList      = 3
	logicalEnum      = 4
	logicalDecimal   = 5
	logicalDate      = 6
	logicalTime      = 7
	logicalTimestamp = 8
	logicalInt       = 10
	logicalJSON      = 12
	logicalUUID      = 14
)

// converted types that stand in for a logical type in older files.
const (
	convertedUTF8            = 0
	convertedMap             = 1
	convertedList            = 3
	convertedDecimal         = 5
	convertedDate            = 6
	convertedTimeMicros      = 8
	convertedTimestampMicros = 10
)

const (
	unitMillis = 1
	unitMicros = 2
	unitNanos  = 3
)

type schemaElement struct {
	name       string
	typ        physical
	hasType    bool
	typeLength int32
	repetition int32
	children   int32
	converted  int32 // -1 none
	scale      int32
	precision  int32
	fieldID    int32 // -1 none
	logical    int16 // 0 none
	unit       int16 // of logicalTime and logicalTimestamp
	utc        bool
	bitWidth   int8 // of logicalInt
	signed     bool
}

type statistics struct {
	max, min           []byte // deprecated fields
	maxValue, minValue []byte
	nulls, nans        int64 // -1 unknown
	maxExact, minExact bool
}

type columnChunk struct {
	typ                                  physical
	encodings                            []int32
	path                                 []string
	codec                                int32
	values                               int64
	uncompressed, compressed             int64
	dataOffset, dictOffset               int64 // dictOffset 0: none
	stats                                statistics
	hasMeta                              bool
	filePath                             string
	offsetIndexOffset, columnIndexOffset int64
	offsetIndexLength, columnIndexLength int32
	bloomOffset                          int64
	bloomLength                          int32 // 0: none, header included
	padded                               bool  // compressed may be too large: see oldwriters.go
}

type rowGroup struct {
	columns    []columnChunk
	bytes      int64 // uncompressed
	rows       int64
	fileOffset int64
	compressed int64
}

type fileMeta struct {
	schema    []schemaElement
	rows      int64
	groups    []rowGroup
	createdBy string
}

type pageHeader struct {
	typ                      int32
	uncompressed, compressed int32
	crc                      int32
	hasCRC                   bool
	values                   int32
	nulls, rows              int32 // V2
	encoding                 int32
	defEncoding, repEncoding int32 // V1
	defLen, repLen           int32 // V2
	isCompressed             bool  // V2
	hasHeader                bool
}

type pageLocation struct {
	offset int64
	size   int32
	first  int64
}

type columnIndex struct {
	nullPages []bool
	mins      [][]byte
	maxs      [][]byte
	order     int32
	nulls     []int64
}

func (e *schemaElement) write(w *thriftWriter) {
	w.begin()
	if e.hasType {
		w.i32(1, int32(e.typ))
	}
	if e.typeLength > 0 {
		w.i32(2, e.typeLength)
	}
	if e.repetition >= 0 {
		w.i32(3, e.repetition)
	}
	w.str(4, e.name)
	if !e.hasType {
		w.i32(5, e.children)
	}
	if e.converted >= 0 {
		w.i32(6, e.converted)
	}
	if e.logical == logicalDecimal {
		w.i32(7, e.scale)
		w.i32(8, e.precision)
	}
	if e.fieldID >= 0 {
		w.i32(9, e.fieldID)
	}
	if e.logical != 0 {
		w.strct(10)
		w.strct(e.logical)
		switch e.logical {
		case logicalDecimal:
			w.i32(1, e.scale)
			w.i32(2, e.precision)
		case logicalTime, logicalTimestamp:
			w.boolean(1, e.utc)
			w.strct(2)
			w.strct(e.unit)
			w.end()
			w.end()
		}
		w.end()
		w.end()
	}
	w.end()
}

func (e *schemaElement) read(r *thriftReader) {
	*e = schemaElement{converted: -1, fieldID: -1}
	r.fields(func(id int16, typ byte) {
		switch {
		case id == 1 && typ == thriftI32:
			e.typ, e.hasType = physical(r.i32()), true
		case id == 2 && typ == thriftI32:
			e.typeLength = r.i32()
		case id == 3 && typ == thriftI32:
			e.repetition = r.i32()
		case id == 4 && typ == thriftBinary:
			e.name = string(r.bytes())
		case id == 5 && typ == thriftI32:
			e.children = r.i32()
		case id == 6 && typ == thriftI32:
			e.converted = r.i32()
		case id == 7 && typ == thriftI32:
			e.scale = r.i32()
		case id == 8 && typ == thriftI32:
			e.precision = r.i32()
		case id == 9 && typ == thriftI32:
			e.fieldID = r.i32()
		case id == 10 && typ == thriftStruct:
			r.fields(func(id int16, typ byte) { e.readLogical(r, id, typ) })
		default:
			r.skip(typ)
		}
	})
}

func (e *schemaElement) readLogical(r *thriftReader, kind int16, typ byte) {
	if typ != thriftStruct {
		r.skip(typ)
		return
	}
	e.logical = kind
	r.fields(func(id int16, typ byte) {
		switch {
		case kind == logicalDecimal && id == 1 && typ == thriftI32:
			e.scale = r.i32()
		case kind == logicalDecimal && id == 2 && typ == thriftI32:
			e.precision = r.i32()
		case (kind == logicalTime || kind == logicalTimestamp) && id == 1 && (typ == thriftTrue || typ == thriftFalse):
			e.utc = typ == thriftTrue
		case (kind == logicalTime || kind == logicalTimestamp) && id == 2 && typ == thriftStruct:
			r.fields(func(id int16, typ byte) {
				e.unit = id
				r.skip(typ)
			})
		case kind == logicalInt && id == 1 && typ == thriftByte:
			e.bitWidth = int8(r.byte())
		case kind == logicalInt && id == 2 && (typ == thriftTrue || typ == thriftFalse):
			e.signed = typ == thriftTrue
		default:
			r.skip(typ)
		}
	})
}
