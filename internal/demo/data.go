package main

import (
	"fmt"
	"strings"
)

// The types that people really have. SQL runs with search_path = pg_catalog, so names are qualified.
const createTable = `
CREATE TYPE public.status AS ENUM ('pending', 'settled', 'failed', 'refunded');
CREATE TABLE public.transactions (
	id               bigint GENERATED ALWAYS AS IDENTITY,
	transaction_date timestamptz NOT NULL,
	customer_id      integer NOT NULL,
	amount           numeric(12,2) NOT NULL CHECK (amount > 0),
	currency         char(3) NOT NULL DEFAULT 'EUR',
	reference        uuid NOT NULL,
	merchant         varchar(60),
	status           public.status NOT NULL,
	details          jsonb,
	tags             text[],
	is_recurring     boolean NOT NULL DEFAULT false,
	value_date       date,
	signature        bytea,
	memo             text,
	PRIMARY KEY (id, transaction_date)
) PARTITION BY RANGE (transaction_date);
CREATE INDEX transactions_customer ON public.transactions (customer_id, transaction_date);
CREATE TABLE public.transactions_2024_01 PARTITION OF public.transactions FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
CREATE TABLE public.transactions_2024_02 PARTITION OF public.transactions FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
CREATE TABLE public.transactions_2024_03 PARTITION OF public.transactions FOR VALUES FROM ('2024-03-01') TO ('2024-04-01');`

const fillTable = `
INSERT INTO public.transactions (transaction_date, customer_id, amount, currency, reference, merchant, status, details, tags, is_recurring, value_date, signature, memo)
SELECT at, 1 + (i * 7919) %% 10000, round((1 + 9999 * random() * random())::numeric, 2), (ARRAY['EUR','USD','GBP'])[1 + i %% 3],
	md5(i::text)::uuid, 'Merchant ' || (i * 31) %% 5000,
	(ARRAY['pending','settled','settled','settled','failed','refunded'])[1 + (i * 17) %% 6]::public.status,
	CASE WHEN i %% 4 > 0 THEN jsonb_build_object('channel', (ARRAY['web','app','pos'])[1 + i %% 3], 'attempt', i %% 5) END,
	CASE WHEN i %% 5 > 0 THEN ARRAY['t' || i %% 9, 'region-' || i %% 20] END,
	i %% 10 = 0, at::date + 1, CASE WHEN i %% 3 = 0 THEN decode(md5((-i)::text), 'hex') END,
	CASE WHEN i %% 6 = 0 THEN 'order ' || i END
FROM (SELECT i, '2024-01-01'::timestamptz + (i * interval '91 days' / %[1]d) AS at FROM generate_series(0, %[1]d::bigint - 1) i) s;`

// fingerprint is count and hash of every partition's rows as text.
const fingerprint = `SELECT tableoid::pg_catalog.regclass::text AS partition, count(*) AS rows, sum(hashtextextended(t::text, 0)) AS sum
	FROM public.transactions t GROUP BY tableoid`

func (d *demo) show(query string) (string, error) {
	rows, err := d.db.QueryText(d.ctx, "show", query)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, r := range rows {
		for _, v := range r {
			fmt.Fprintf(&b, "  %-24s", text(v))
		}
		b.WriteString("\n")
	}
	return b.String(), nil
}

func text(v *string) string {
	if v == nil {
		return "NULL"
	}
	return *v
}

// table is what it took.
func (d *demo) table() {
	title("What it took")
	fmt.Printf("%-42s %9s %10s %12s %10s\n", "step", "seconds", "rows", "rows/s", "MB")
	for _, l := range d.report {
		rows, rate, size := "", "", ""
		if l.rows > 0 {
			rows = fmt.Sprint(l.rows)
			rate = fmt.Sprintf("%.0f", float64(l.rows)/l.took.Seconds())
		}
		if l.bytes > 0 {
			size = fmt.Sprintf("%.1f", float64(l.bytes)/1e6)
		}
		fmt.Printf("%-42s %9.2f %10s %12s %10s\n", l.step, l.took.Seconds(), rows, rate, size)
	}
}
