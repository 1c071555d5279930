package load

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"frostline/internal/pgtest"
)

// WKB gets the SRID that it shall have; EWKB keeps its own; both byte orders, ISO and PostGIS's Z.
func TestGeometry(t *testing.T) {
	l, pg := start(t)
	if pg.One(t, "SELECT count(*) FROM pg_available_extensions WHERE name = 'postgis'") == "0" {
		pgtest.Missing(t, "PostGIS")
	}
	pg.Exec(t, "CREATE SCHEMA gis; CREATE EXTENSION postgis SCHEMA gis")
	values := pg.Query(t, `SELECT encode(v, 'hex') FROM (VALUES
		(1, gis.ST_AsBinary('POINT(16.37 48.2)'::gis.geometry, 'NDR')), (2, gis.ST_AsBinary('POINT(16.37 48.2)'::gis.geometry, 'XDR')),
		(3, gis.ST_AsEWKB('SRID=3857;LINESTRING(0 0,1 2)'::gis.geometry, 'NDR')), (4, gis.ST_AsEWKB('SRID=31256;POINT Z (1 2 3)'::gis.geometry, 'XDR')),
		(5, gis.ST_AsBinary('POINT Z (1 2 3)'::gis.geometry, 'XDR')), (6, gis.ST_AsBinary('GEOMETRYCOLLECTION(POINT(1 2),POLYGON((0 0,1 0,1 1,0 0)))'::gis.geometry, 'NDR')),
		(7, gis.ST_AsBinary('POINT EMPTY'::gis.geometry, 'NDR'))) x(i, v) ORDER BY i`)
	dir := t.TempDir()
	var rows []string
	for i, v := range values {
		wkb, err := hex.DecodeString(v[0])
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, fmt.Sprintf(`{"id": %d, "geom": %q}`, i+1, base64.StdEncoding.EncodeToString(wkb)))
	}
	schema := fieldsOf(field("id", arrow.PrimitiveTypes.Int64), field("geom", arrow.BinaryTypes.Binary))
	write(t, filepath.Join(dir, "a.parquet"), schema, "["+strings.Join(rows, ",")+`, {"id": 8, "geom": null}]`)
	const show = "SELECT id, gis.ST_SRID(geom), gis.ST_AsText(geom) FROM %s ORDER BY id"
	with := func(srid string) []string {
		return []string{"1|" + srid + "|POINT(16.37 48.2)", "2|" + srid + "|POINT(16.37 48.2)", "3|3857|LINESTRING(0 0,1 2)", "4|31256|POINT Z (1 2 3)",
			"5|" + srid + "|POINT Z (1 2 3)", "6|" + srid + "|GEOMETRYCOLLECTION(POINT(1 2),POLYGON((0 0,1 0,1 1,0 0)))", "7|" + srid + "|POINT EMPTY", "8|" + pgtest.Null + "|" + pgtest.Null}
	}
	for i, c := range []struct {
		name, ddl string
		req       Request
		want      []string
	}{
		{"new table", "", Request{Geometry: []string{"geom"}, SRID: 4326}, with("4326")},
		{"existing table", "CREATE TABLE t1 (id int, geom gis.geometry)", Request{SRID: 31287}, with("31287")},
		{"no SRID", "CREATE TABLE t2 (id int, geom gis.geometry)", Request{Method: Copy}, with("0")},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.ddl != "" {
				pg.Exec(t, c.ddl)
			}
			c.req.Source, c.req.Target = dir, target(fmt.Sprintf("t%d", i))
			mustLoad(t, l, c.req)
			sameRows(t, pg, fmt.Sprintf(show, c.req.Target.Table), c.want...)
		})
	}

	// The column's own SRID is given to WKB without one; EWKB of another is rejected by PostGIS. geography too.
	for _, typ := range []string{"geometry(PointZ,31256)", "geography"} {
		t.Run(typ, func(t *testing.T) {
			pg.Exec(t, "DROP TABLE IF EXISTS typed; CREATE TABLE typed (id int, geom gis."+typ+")")
			dead := filepath.Join(t.TempDir(), "dead")
			r := mustLoad(t, l, Request{Source: dir, Target: target("typed"), DeadLetter: dead})
			rejected := ""
			for _, d := range deadLetters(t, dead) {
				rejected += fmt.Sprint(d.Row, " ")
			}
			switch typ {
			case "geography":
				if rejected != "3 4 " { // 3857 and 31256 are no degrees
					t.Errorf("rejected rows %s(%+v)", rejected, r)
				}
				sameRows(t, pg, "SELECT gis.ST_SRID(geom::gis.geometry) FROM typed WHERE id = 1", "4326")
			default:
				if rejected != "1 2 3 6 7 " {
					t.Errorf("rejected rows %s, want 1 2 3 6 7", rejected)
				}
				sameRows(t, pg, fmt.Sprintf(show, "typed"), "4|31256|POINT Z (1 2 3)", "5|31256|POINT Z (1 2 3)", "8|"+pgtest.Null+"|"+pgtest.Null)
			}
		})
	}
}

// Geometry of an archive: EWKB in the Parquet files and in SQLite, and from there into a table again with the SRID that it had.
func TestGeometryOfAnArchive(t *testing.T) {
	l, pg := start(t)
	if pg.One(t, "SELECT count(*) FROM pg_available_extensions WHERE name = 'postgis'") == "0" {
		pgtest.Missing(t, "PostGIS")
	}
	pg.Exec(t, `CREATE EXTENSION postgis; CREATE TABLE g (id int, month text, geom geometry, typed geometry(PointZ,31256), geog geography(Point,4326));
		INSERT INTO g VALUES (1, 'm', 'SRID=3857;LINESTRING(0 0,1 2)', 'SRID=31256;POINT Z (1 2 3)', 'POINT(16.37 48.2)'), (2, 'm', 'POINT EMPTY', NULL, NULL), (3, 'm', 'SRID=4326;POINT(1 -0)', NULL, NULL), (4, 'm', NULL, NULL, NULL)`)
	path := archived(t, pg, "file://"+t.TempDir(), "g", "month", "m")
	want := []string{"1|3857|SRID=3857;LINESTRING(0 0,1 2)|31256|SRID=31256;POINT(1 2 3)|4326|SRID=4326;POINT(16.37 48.2)", "2|0|POINT EMPTY" + strings.Repeat("|"+pgtest.Null, 4),
		"3|4326|SRID=4326;POINT(1 0)" + strings.Repeat("|"+pgtest.Null, 4), "4" + strings.Repeat("|"+pgtest.Null, 6)}
	const show = "SELECT id, ST_SRID(geom), ST_AsEWKT(geom), ST_SRID(typed), ST_AsEWKT(typed), ST_SRID(geog::geometry), ST_AsEWKT(geog) FROM %s ORDER BY id"
	sameRows(t, pg, fmt.Sprintf(show, "g"), want...)
	mustLoad(t, l, Request{Source: path + "/data", Target: target("new"), Geometry: []string{"geom", "typed", "geog"}})
	sameRows(t, pg, fmt.Sprintf(show, "new"), want...)
	pg.Exec(t, "CREATE TABLE same (LIKE g)")
	mustLoad(t, l, Request{Source: path + "/data", Target: target("same"), IgnoreExtra: true})
	sameRows(t, pg, fmt.Sprintf(show, "same"), want...)
	for _, table := range []string{"new", "same"} { // to the last bit: a text has one zero
		sameRows(t, pg, "SELECT count(*) FROM g JOIN "+table+" x USING (id) WHERE (ST_AsEWKB(g.geom), ST_AsEWKB(g.typed)) IS NOT DISTINCT FROM (ST_AsEWKB(x.geom), ST_AsEWKB(x.typed))", "4")
	}

	out := t.TempDir()
	mustLite(t, SQLiteRequest{Source: path, To: out + "/g.sqlite"})
	var blobs []string
	for _, r := range pg.Query(t, "SELECT 'x' || encode(ST_AsEWKB(geom), 'hex') FROM g ORDER BY id") {
		blobs = append(blobs, r[0])
	}
	sameList(t, "EWKB", ask(t, out+"/g.sqlite", "SELECT geom FROM g ORDER BY id"), blobs...)
}

// GeoParquet says which columns are WKB and in which reference system.
func TestGeoMetadata(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       map[string]int
	}{
		{"crs by default", `{"columns": {"g": {"encoding": "WKB"}}}`, map[string]int{"g": 4326}},
		{"EPSG", `{"columns": {"g": {"encoding": "wkb", "crs": {"id": {"authority": "EPSG", "code": 31256}}}}}`, map[string]int{"g": 31256}},
		{"CRS84", `{"columns": {"g": {"encoding": "WKB", "crs": {"id": {"authority": "OGC", "code": "CRS84"}}}}}`, map[string]int{"g": 4326}},
		{"unknown crs", `{"columns": {"g": {"encoding": "WKB", "crs": null}}}`, map[string]int{"g": 0}},
		{"other encoding", `{"columns": {"g": {"encoding": "point"}}}`, map[string]int{}},
		{"no JSON", `{`, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := geoColumns(c.text); fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
