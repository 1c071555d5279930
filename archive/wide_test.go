package archive_test

import (
	"testing"

	"frostline/digest"
)

// Two workers meet values of 40 MB, which they encode and read back in turns, among ordinary rows and in files that are cut often.
func TestLongValues(t *testing.T) {
	b := newBench(t, `CREATE TABLE mixed (id int NOT NULL, part int NOT NULL, note text) PARTITION BY LIST (part);
		CREATE TABLE mixed_1 PARTITION OF mixed FOR VALUES IN (1);
		ALTER TABLE mixed_1 ALTER note SET STORAGE EXTERNAL;
		INSERT INTO mixed SELECT i, 1, CASE WHEN i % 15000 = 0 THEN repeat(md5(i::text), 1250000) ELSE repeat(md5(i::text), 30) END FROM generate_series(1, 60000) i`)
	b.a.Workers, b.a.FileBytes = 2, 200<<10
	req := request("mixed", "part", "1")
	res := b.run(req)
	equal(t, "rows", b.rows("mixed"), "part=1 60000/60000")
	if res.Files < 4 {
		t.Errorf("%d files, want several of each worker", res.Files)
	}
	d, err := digest.Parse(res.Digest)
	if err != nil || d.Rows != 60000 {
		t.Errorf("digest %s: %v", res.Digest, err)
	}
	equal(t, "the rerun", b.run(req).Action, "unchanged")
}
