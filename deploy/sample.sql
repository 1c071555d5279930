-- The sample of docker-compose.yml: transactions by month, 10 000 rows a month. Again, it changes nothing.
SET client_min_messages = warning;
SET timezone = 'UTC';
BEGIN;
CREATE TABLE IF NOT EXISTS public.transactions (
    id               bigint GENERATED ALWAYS AS IDENTITY,
    transaction_date timestamptz NOT NULL,
    customer_id      integer NOT NULL,
    amount           numeric(12,2) NOT NULL CHECK (amount > 0),
    currency         char(3) NOT NULL DEFAULT 'EUR',
    reference        uuid NOT NULL,
    details          jsonb,
    tags             text[],
    memo             text,
    PRIMARY KEY (id, transaction_date)
) PARTITION BY RANGE (transaction_date);
CREATE INDEX IF NOT EXISTS transactions_customer ON public.transactions (customer_id, transaction_date);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhparent = 'public.transactions'::regclass) THEN
        RETURN; -- filled before; a partition that was archived and dropped stays so
    END IF;
    FOR m IN 1..3 LOOP
        EXECUTE format('CREATE TABLE public.transactions_2024_%s PARTITION OF public.transactions FOR VALUES FROM (%L) TO (%L)',
                       lpad(m::text, 2, '0'), make_date(2024, m, 1), make_date(2024, m + 1, 1));
    END LOOP;
    INSERT INTO public.transactions (transaction_date, customer_id, amount, reference, details, tags, memo)
    SELECT make_date(2024, m, 1)::timestamptz + i * interval '4 minutes', 1 + (i * 7919) % 100, round((1 + i % 997 * 1.37)::numeric, 2),
           md5(m || '/' || i)::uuid, CASE WHEN i % 4 > 0 THEN jsonb_build_object('channel', (ARRAY['web','app','pos'])[1 + i % 3]) END,
           CASE WHEN i % 5 > 0 THEN ARRAY['t' || i % 9, 'region-' || i % 20] END, CASE WHEN i % 6 = 0 THEN 'order ' || i END
      FROM generate_series(1, 3) m, generate_series(0, 9999) i;
END $$;
COMMIT;
ANALYZE public.transactions;
