package postgres

import (
	"errors"
	"testing"
)

const findSchema = `
CREATE TABLE month (id int, d date) PARTITION BY RANGE (d);
CREATE TABLE month_2024_01 PARTITION OF month FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
CREATE TABLE month_2024_02 PARTITION OF month FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
CREATE TABLE month_old PARTITION OF month FOR VALUES FROM (MINVALUE) TO ('2020-01-01');
CREATE TABLE month_rest PARTITION OF month DEFAULT;

CREATE TABLE day (ts timestamptz) PARTITION BY RANGE (ts);
CREATE TABLE day_a PARTITION OF day FOR VALUES FROM ('2024-01-15') TO ('2024-01-16');
CREATE TABLE day_b PARTITION OF day FOR VALUES FROM ('2024-01-16') TO ('2024-01-17');
CREATE TABLE day_c PARTITION OF day FOR VALUES FROM ('2024-03-05') TO ('2024-03-06');
CREATE TABLE day_half PARTITION OF day FOR VALUES FROM ('2024-04-20') TO ('2024-05-10');

CREATE TABLE region (r text COLLATE "C", n int) PARTITION BY LIST (r);
CREATE TABLE region_eu PARTITION OF region FOR VALUES IN ('eu', 'it''s', E'a\\b', 'x, y');
CREATE TABLE region_us PARTITION OF region FOR VALUES IN ('us', NULL);
CREATE TABLE "us" PARTITION OF region FOR VALUES IN ('asia');

CREATE TABLE hashed (id bigint) PARTITION BY HASH (id);
CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE hashed_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE hashed_2 PARTITION OF hashed FOR VALUES WITH (MODULUS 3, REMAINDER 2);

CREATE TABLE multi (a int, b int) PARTITION BY RANGE (a, b);
CREATE TABLE multi_1 PARTITION OF multi FOR VALUES FROM (1, 1) TO (1, 10);
CREATE TABLE multi_2 PARTITION OF multi FOR VALUES FROM (1, 10) TO (3, MINVALUE);
CREATE TABLE multi_3 PARTITION OF multi FOR VALUES FROM (3, MINVALUE) TO (-1 + 6, 5);

CREATE TABLE expr (id int, ts timestamp) PARTITION BY RANGE (date_trunc('month', ts));
CREATE TABLE expr_jan PARTITION OF expr FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
CREATE TABLE expr_feb PARTITION OF expr FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');

CREATE TABLE year (id int, ts timestamp) PARTITION BY LIST ((extract(year FROM ts)::int));
CREATE TABLE year_23 PARTITION OF year FOR VALUES IN (2023);
CREATE TABLE year_24 PARTITION OF year FOR VALUES IN (2024, 2025);

CREATE TABLE levels ("when" date, region text, "My ""Col""" int) PARTITION BY RANGE ("when");
CREATE TABLE levels_1 PARTITION OF levels FOR VALUES FROM ('2024-01-01') TO ('2024-02-01') PARTITION BY LIST (region);
CREATE TABLE levels_1_eu PARTITION OF levels_1 FOR VALUES IN ('eu');
CREATE TABLE levels_1_us PARTITION OF levels_1 FOR VALUES IN ('us');
CREATE TABLE levels_2 PARTITION OF levels FOR VALUES FROM ('2024-02-01') TO ('2024-03-01') PARTITION BY LIST (region);
CREATE TABLE levels_2_eu PARTITION OF levels_2 FOR VALUES IN ('eu');

CREATE TABLE hostile ("My ""Col""" int, "a.b" text) PARTITION BY RANGE ("My ""Col""");
CREATE TABLE "hostile ;--'x" PARTITION OF hostile FOR VALUES FROM (-5) TO (10);
CREATE TABLE "ПАРТ" PARTITION OF hostile FOR VALUES FROM (10) TO (20);

CREATE TABLE short (c varchar(3)) PARTITION BY LIST (c);
CREATE TABLE short_abc PARTITION OF short FOR VALUES IN ('abc');
CREATE TABLE plain (id int, c varchar(3), ts timestamptz, n numeric(4,1), k bit(4));
CREATE TABLE empty (id int) PARTITION BY RANGE (id);
CREATE TABLE listday (d date) PARTITION BY LIST (d);
CREATE TABLE listday_jan PARTITION OF listday FOR VALUES IN ('2024-01-01', '2024-01-02');
CREATE TABLE listday_feb PARTITION OF listday FOR VALUES IN ('2024-02-01', '2024-02-02');
CREATE TABLE twohash (a int, b text) PARTITION BY HASH (a, b);
CREATE TABLE twohash_0 PARTITION OF twohash FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE twohash_1 PARTITION OF twohash FOR VALUES WITH (MODULUS 2, REMAINDER 1);
`

func TestFindLeaf(t *testing.T) {
	db, pg := start(t, findSchema)
	hash := pg.One(t, `INSERT INTO hashed VALUES (42) RETURNING tableoid::regclass::text`)

	tests := []struct {
		name, table, column, value string
		want                       string
		err                        error
		says                       string // in the error
	}{
		{name: "a date", table: "month", column: "d", value: "2024-01-31", want: "month_2024_01"},
		{name: "a date in another form", table: "month", column: "d", value: "Feb 3 2024", want: "month_2024_02"},
		{name: "a month of a date", table: "month", column: "d", value: "2024-02", want: "month_2024_02"},
		{name: "a column that does not exist stands for the only key column", table: "month", column: "transaction_month", value: "2024-01", want: "month_2024_01"},
		{name: "a year that several partitions share", table: "month", column: "d", value: "2024", err: ErrAmbiguous, says: "public.month_2024_01 FOR VALUES FROM ('2024-01-01') TO ('2024-02-01')"},
		{name: "below MINVALUE's end", table: "month", column: "d", value: "1999", want: "month_old"},
		{name: "minus infinity", table: "month", column: "d", value: "-infinity", want: "month_old"},
		{name: "a value in DEFAULT", table: "month", column: "d", value: "2030-05", err: ErrNoPartition, says: "DEFAULT partition public.month_rest"},
		{name: "DEFAULT by its word", table: "month", column: "d", value: "DEFAULT", want: "month_rest"},
		{name: "DEFAULT by its name", table: "month", column: "d", value: "month_rest", want: "month_rest"},
		{name: "a leaf's name", table: "month", column: "d", value: "public.month_2024_02", want: "month_2024_02"},
		{name: "not a date", table: "month", column: "d", value: "2024-13", err: ErrBadValue, says: `column "d" has type date`},

		{name: "a day of a timestamptz", table: "day", column: "ts", value: "2024-01-16", want: "day_b"},
		{name: "an hour within a day", table: "day", column: "ts", value: "2024-01-15 13", want: "day_a"},
		{name: "an instant with a zone", table: "day", column: "ts", value: "2024-01-15 23:30:00-02", want: "day_b"},
		{name: "a month with several days", table: "day", column: "ts", value: "2024-01", err: ErrAmbiguous, says: "day_a"},
		{name: "a month with a single day", table: "day", column: "ts", value: "2024-03", want: "day_c"},
		{name: "a month that a leaf covers in part", table: "day", column: "ts", value: "2024-04", err: ErrNoPartition, says: "only in part in public.day_half"},
		{name: "a gap", table: "day", column: "ts", value: "2024-01-20", err: ErrNoPartition, says: "day_b FOR VALUES"},

		{name: "a list value", table: "region", column: "r", value: "eu", want: "region_eu"},
		{name: "a list value with a quote", table: "region", column: "r", value: "it's", want: "region_eu"},
		{name: "a list value with a backslash", table: "region", column: "r", value: `a\b`, want: "region_eu"},
		{name: "a list value with a comma", table: "region", column: "r", value: "x, y", want: "region_eu"},
		{name: "a value that is also another leaf's name", table: "region", column: "r", value: "us", err: ErrAmbiguous, says: "region_us"},
		{name: "a list value of nobody", table: "region", column: "r", value: "mars", err: ErrNoPartition, says: "region_eu"},
		{name: "a column beside the key", table: "region", column: "n", value: "1", err: ErrAmbiguous},

		{name: "a hash", table: "hashed", column: "id", value: "42", want: hash},
		{name: "one column of a hash of two", table: "twohash", column: "a", value: "1", err: ErrAmbiguous},

		{name: "first of two columns", table: "multi", column: "a", value: "2", want: "multi_2"},
		{name: "first of two columns, on the edge", table: "multi", column: "a", value: "1", err: ErrAmbiguous},
		{name: "first of two columns, beyond", table: "multi", column: "a", value: "9", err: ErrNoPartition},
		{name: "no such column with two in the key", table: "multi", column: "c", value: "9", err: ErrNoColumn},

		{name: "an expression key, month", table: "expr", column: "ts", value: "2024-02", want: "expr_feb"},
		{name: "an expression key, instant", table: "expr", column: "ts", value: "2024-01-31 23:59:59", want: "expr_jan"},
		{name: "an expression key by another name", table: "expr", column: "month", value: "2024-01", want: "expr_jan"},
		{name: "an expression list, year", table: "year", column: "ts", value: "2024", want: "year_24"},
		{name: "an expression list, day", table: "year", column: "ts", value: "2023-05-06", want: "year_23"},

		{name: "two levels, one leaf", table: "levels", column: "when", value: "2024-02", want: "levels_2_eu"},
		{name: "two levels, several leaves", table: "levels", column: "when", value: "2024-01", err: ErrAmbiguous, says: "levels_1_us"},
		{name: "second level", table: "levels", column: "region", value: "us", want: "levels_1_us"},

		{name: "hostile names", table: "hostile", column: `My "Col"`, value: "-1", want: "hostile ;--'x"},
		{name: "hostile names, other leaf", table: "hostile", column: `My "Col"`, value: "10", want: "ПАРТ"},
		{name: "a hostile value", table: "hostile", column: `My "Col"`, value: "1'; DROP TABLE month; --", err: ErrBadValue},
		{name: "a zero byte", table: "region", column: "r", value: "eu\x00", err: ErrBadValue, says: "zero byte"},
		{name: "invalid UTF-8", table: "region", column: "r", value: "eu\xff", err: ErrBadValue, says: "invalid byte sequence"},
		{name: "a longer value is not cut", table: "short", column: "c", value: "abcd", err: ErrNoPartition},
		{name: "dates in lists, a day", table: "listday", column: "d", value: "2024-02-02", want: "listday_feb"},
		{name: "dates in lists, a month", table: "listday", column: "d", value: "2024-01", want: "listday_jan"},
		{name: "no partitions", table: "empty", column: "id", value: "1", err: ErrNoPartition},
		{name: "not partitioned", table: "plain", column: "id", value: "1", err: ErrNoPartition},
		{name: "a column with a typing mistake", table: "levels", column: "regoin", value: "eu", err: ErrNoColumn, says: "nearest: region"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := db.FindLeaf(t.Context(), table(t, db, "public", tt.table), tt.column, tt.value)
			if tt.err != nil {
				if !errors.Is(err, tt.err) {
					t.Fatalf("got %s, error %v; want %v", got.Name.Table, err, tt.err)
				}
				mustContain(t, err, tt.says)
				return
			}
			if err != nil || got.Name.Table != tt.want {
				t.Fatalf("got %q, %v; want %q", got.Name.Table, err, tt.want)
			}
		})
	}
}

func TestValueCondition(t *testing.T) {
	db, pg := start(t, findSchema, `INSERT INTO plain VALUES (1, 'abc', '2024-01-15', 1.5, '0101'), (2, 'it''', '2024-01-16', 2, '1111')`)
	plain := table(t, db, "public", "plain")
	tests := []struct {
		name, column, value string
		rows                string
		err                 error
		says                string
	}{
		{"int", "id", "1", "1", nil, ""},
		{"text is not cut to the column's length", "c", "abcd", "0", nil, ""},
		{"a quote", "c", "it'", "1", nil, ""},
		{"a date of a timestamptz is UTC", "ts", "2024-01-16", "1", nil, ""},
		{"numeric is not rounded", "n", "1.54", "0", nil, ""},
		{"bits keep their length", "k", "0101", "1", nil, ""},
		{"not a number", "id", "1 OR true", "", ErrBadValue, `invalid input syntax for type integer: "1 OR true"`},
		{"no such column", "idd", "1", "", ErrNoColumn, "nearest: id"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			where, err := db.ValueCondition(t.Context(), plain, tt.column, tt.value)
			if tt.err != nil {
				if !errors.Is(err, tt.err) {
					t.Fatalf("error %v, want %v", err, tt.err)
				}
				mustContain(t, err, tt.says)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := pg.One(t, "SELECT count(*) FROM plain WHERE "+where); got != tt.rows {
				t.Errorf("WHERE %s selects %s rows, want %s", where, got, tt.rows)
			}
		})
	}
}
