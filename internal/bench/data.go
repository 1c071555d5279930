package main

import (
	"fmt"

	"frostline/internal/tpch"
)

// The columns of TPC-H's lineitem and a key of its own. SQL runs with search_path = pg_catalog.
const createTable = `
CREATE TABLE public.lineitem (id bigint NOT NULL,` + tpch.Columns + `, PRIMARY KEY (id, l_shipdate)) PARTITION BY RANGE (l_shipdate);
CREATE TABLE public.lineitem_2024_01 PARTITION OF public.lineitem FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
CREATE TABLE public.lineitem_2024_02 PARTITION OF public.lineitem FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
CREATE UNLOGGED TABLE public.loaded (LIKE public.lineitem);`

// partkeys is the number of different l_partkey.
const partkeys = 200_000

// Row i is made of hashes of i, so every run has the same rows. The key is in the order of the table, all else is not.
const fillTable = `
WITH words AS (SELECT string_to_array('furiously slyly carefully quickly blithely deposits requests accounts packages instructions theodolites pinto beans foxes ideas dependencies excuses platelets asymptotes courts dolphins sleep wake haggle nag cajole boost detect integrate among above along the final special pending regular express silent even bold ironic', ' ') AS w)
INSERT INTO public.lineitem
SELECT i, (i - 1) / 4 * 32 + (i - 1) / 4 %% 8, part, 1 + (part + public.h(i, 2) %% 4 * 2501) %% 10000, 1 + (i - 1) %% 4, quantity,
	(quantity * (90000 + part / 10 %% 20001 + 100 * (part %% 1000)) / 100)::numeric(15,2), public.h(i, 4) %% 11 / 100.0, public.h(i, 5) %% 9 / 100.0,
	(ARRAY['A','N','N','R'])[1 + public.h(i, 6) %% 4], (ARRAY['F','O'])[1 + public.h(i, 7) %% 2],
	ship, ship + (public.h(i, 9) %% 61)::int - 30, ship + 1 + (public.h(i, 10) %% 30)::int,
	(ARRAY['DELIVER IN PERSON','COLLECT COD','NONE','TAKE BACK RETURN'])[1 + public.h(i, 11) %% 4],
	(ARRAY['REG AIR','AIR','RAIL','SHIP','TRUCK','MAIL','FOB'])[1 + public.h(i, 12) %% 7],
	left(w[1 + public.h(i, 13) %% 42] || ' ' || w[1 + public.h(i, 14) %% 42] || ' ' || w[1 + public.h(i, 15) %% 42] || ' ' || w[1 + public.h(i, 16) %% 42] || ' ' || w[1 + public.h(i, 17) %% 42], 10 + (public.h(i, 18) %% 34)::int)
FROM words, generate_series(1::bigint, %d) i, LATERAL (SELECT 1 + (public.h(i, 1) %% %d)::int AS part, 1 + public.h(i, 3) %% 50 AS quantity, '2024-01-01'::date + (public.h(i, 8) %% 31)::int AS ship) v`

func (b *bench) fill() error {
	note("making %d rows", b.rows)
	for _, s := range []struct{ op, sql string }{
		{"create the table", createTable},
		{"create a hash", `CREATE FUNCTION public.h(i bigint, seed bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT hashint8extended(i, seed) & 9223372036854775807'`},
		{"fill the table", fmt.Sprintf(fillTable, b.rows, partkeys)},
		{"vacuum", "VACUUM (FREEZE, ANALYZE) public.lineitem_2024_01"},
		{"checkpoint", "CHECKPOINT"},
	} {
		if err := b.db.Exec(b.ctx, s.op, s.sql); err != nil {
			return err
		}
	}
	b.leaf = "SELECT * FROM public.lineitem_2024_01"
	return nil
}
