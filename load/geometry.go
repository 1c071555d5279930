package load

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// sridFlag in the type word of EWKB says that four bytes of SRID follow (PostGIS, liblwgeom.h.in: WKBSRIDFLAG).
const sridFlag = 0x20000000

// appendEWKB appends WKB or EWKB as the hex digits that geometry's input function reads. An SRID in it is kept; one that has
// none gets srid, 0 none.
func appendEWKB(dst, wkb []byte, srid int) ([]byte, error) {
	if len(wkb) < 9 || wkb[0] > 1 {
		return dst, fmt.Errorf("%d bytes that are no WKB", len(wkb))
	}
	var order binary.AppendByteOrder = binary.BigEndian
	word := binary.BigEndian.Uint32(wkb[1:])
	if wkb[0] == 1 {
		order, word = binary.LittleEndian, binary.LittleEndian.Uint32(wkb[1:])
	}
	if word&sridFlag != 0 || srid == 0 {
		return hex.AppendEncode(dst, wkb), nil
	}
	head := order.AppendUint32([]byte{wkb[0]}, word|sridFlag)
	head = order.AppendUint32(head, uint32(srid))
	return hex.AppendEncode(hex.AppendEncode(dst, head), wkb[5:]), nil
}
