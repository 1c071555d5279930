package load

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
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

// geoColumns reads GeoParquet's "geo" metadata (its specification 1.1): columns in WKB, with the EPSG code of their crs; a
// column without one is in OGC:CRS84, longitude and latitude, which PostGIS calls 4326.
func geoColumns(text string) map[string]int {
	var meta struct {
		Columns map[string]struct {
			Encoding string          `json:"encoding"`
			CRS      json.RawMessage `json:"crs"`
		} `json:"columns"`
	}
	if json.Unmarshal([]byte(text), &meta) != nil {
		return nil
	}
	m := map[string]int{}
	for name, c := range meta.Columns {
		if !strings.EqualFold(c.Encoding, "WKB") {
			continue
		}
		var crs struct {
			ID struct {
				Authority string          `json:"authority"`
				Code      json.RawMessage `json:"code"`
			} `json:"id"`
		}
		switch {
		case c.CRS == nil:
			m[name] = 4326
		case json.Unmarshal(c.CRS, &crs) == nil && crs.ID.Authority == "EPSG":
			m[name], _ = strconv.Atoi(strings.Trim(string(crs.ID.Code), `"`)) // 0 for a code that is none
		case crs.ID.Authority == "OGC":
			m[name] = 4326
		default:
			m[name] = 0
		}
	}
	return m
}
