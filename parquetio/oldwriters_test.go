package parquetio

import "testing"

func TestShortChunks(t *testing.T) {
	for name, want := range map[string]bool{
		"parquet-mr": true, "parquet-mr version 1.2.8": true, "parquet-mr version 1.2.8-SNAPSHOT (build abc)": true, "parquet-mr version 1.2.9": false,
		"parquet-mr version 1.10.1 (build a89df8f)": false, "parquet-mr version 2.0.0": false, "parquet-mr version 0.9": true, "parquet-mr version x": false,
		"parquet-cpp-arrow version 1.0.0": false, "frostline": false, "": false, "impala version 1.2.5": false,
	} {
		if got := shortChunks(name); got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
}
