-- Makes a staging table the partition [p_partition_start, p_partition_end) of a RANGE-partitioned table, without a scan
-- under the parent's lock:
--   1. on staging alone: NOT NULL, CHECK constraints and indexes (with their constraints) that the parent asks for, and a
--      CHECK of the bounds, added NOT VALID and then validated once;
--   2. in one short transaction: a partition with the same bounds, if there is one, is detached and renamed (never dropped),
--      staging takes its name, and is attached;
--   3. the CHECK is dropped, and the table analysed.
-- Locks are waited for no longer than lock_timeout (5 s when it is 0), with retries. Call it outside a transaction. It may be
-- called again after it was stopped.
CREATE OR REPLACE PROCEDURE @schema@.attach_restored_partition(
    p_staging_schema text, p_staging_table text, p_target_schema text, p_target_table text,
    p_partition_column text, p_partition_start text, p_partition_end text)
LANGUAGE plpgsql AS $$
DECLARE
    v_staging text;
    v_target  text;
    v_type    text;
    v_from    text;
    v_to      text;
    v_inside  text;
    v_bound   text;
    v_check   text := 'frostline_bounds';
    v_default text;
    v_old     record;
    v_name    text := p_staging_table;
    v_item    record;
    v_prefix  text;
    v_index   text;
    v_def     text;
    v_try     integer := 0;
    v_path    text := pg_catalog.current_setting('search_path');
    v_timeout text := COALESCE(NULLIF(pg_catalog.current_setting('lock_timeout'), '0'), '5s');
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog', true), pg_catalog.set_config('lock_timeout', v_timeout, true);
    v_staging := format('%I.%I', p_staging_schema, p_staging_table);
    v_target := format('%I.%I', p_target_schema, p_target_table);

    SELECT format_type(a.atttypid, a.atttypmod) INTO v_type
      FROM pg_partitioned_table k JOIN pg_attribute a ON a.attrelid = k.partrelid AND a.attnum = k.partattrs[0]
     WHERE k.partrelid = v_target::regclass AND k.partstrat = 'r' AND k.partnatts = 1 AND a.attname = p_partition_column;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'attach: % is not partitioned by RANGE (%); nothing was done', v_target, quote_ident(p_partition_column)
            USING HINT = 'LIST, HASH and several key columns: use restore --attach.';
    END IF;
    EXECUTE format('SELECT CAST(%L AS %s)::text, CAST(%L AS %s)::text', p_partition_start, v_type, p_partition_end, v_type) INTO v_from, v_to;
    v_inside := format('%1$I IS NOT NULL AND %1$I >= CAST(%2$L AS %4$s) AND %1$I < CAST(%3$L AS %4$s)', p_partition_column, v_from, v_to, v_type);
    v_bound := format('FOR VALUES FROM (%L) TO (%L)', v_from, v_to);
    IF EXISTS (SELECT FROM pg_inherits WHERE inhrelid = v_staging::regclass) THEN
        RAISE EXCEPTION 'attach: % is a partition already; nothing was done', v_staging;
    END IF;
    IF (SELECT relpersistence = 'u' FROM pg_class WHERE oid = v_staging::regclass) THEN
        EXECUTE format('ALTER TABLE %s SET LOGGED', v_staging);
    END IF;
    COMMIT;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog', true), pg_catalog.set_config('lock_timeout', v_timeout, true);

    -- The bounds, and the parent's own CHECK constraints: added at once, validated without blocking anybody.
    FOR v_item IN
        SELECT v_check AS name, format('CHECK (%s)', v_inside) AS def
        UNION ALL
        SELECT c.conname, pg_get_constraintdef(c.oid) FROM pg_constraint c WHERE c.conrelid = v_target::regclass AND c.contype = 'c'
    LOOP
        IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = v_staging::regclass AND conname = v_item.name) THEN
            EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I %s', v_staging, v_item.name,
                           v_item.def || CASE WHEN v_item.def LIKE '% NOT VALID' THEN '' ELSE ' NOT VALID' END);
        END IF;
    END LOOP;
    COMMIT;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog', true), pg_catalog.set_config('lock_timeout', v_timeout, true);
    FOR v_item IN SELECT conname FROM pg_constraint WHERE conrelid = v_staging::regclass AND contype = 'c' AND NOT convalidated LOOP
        EXECUTE format('ALTER TABLE %s VALIDATE CONSTRAINT %I', v_staging, v_item.conname);
    END LOOP;
    FOR v_item IN
        SELECT t.attname FROM pg_attribute t JOIN pg_attribute s ON s.attrelid = v_staging::regclass AND s.attname = t.attname
         WHERE t.attrelid = v_target::regclass AND t.attnum > 0 AND NOT t.attisdropped AND t.attnotnull AND NOT s.attnotnull
    LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL', v_staging, v_item.attname);
    END LOOP;
    COMMIT;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog', true), pg_catalog.set_config('lock_timeout', v_timeout, true);

    -- Every index of the parent that staging has no equal of; a constraint's index gets its constraint.
    FOR v_item IN
        SELECT i.indexrelid, c.relname, i.indisunique, k.conname, k.contype, k.condeferrable, k.condeferred
          FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
          LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u')
         WHERE i.indrelid = v_target::regclass AND i.indisvalid
    LOOP
        v_prefix := format('CREATE %sINDEX %I ON ONLY %s USING ', CASE WHEN v_item.indisunique THEN 'UNIQUE ' ELSE '' END, v_item.relname, v_target);
        v_def := pg_get_indexdef(v_item.indexrelid);
        IF left(v_def, length(v_prefix)) <> v_prefix THEN
            RAISE EXCEPTION 'attach: index % is defined as %, which is not understood; staging % was not attached', v_item.relname, v_def, v_staging;
        END IF;
        v_def := substr(v_def, length(v_prefix) + 1);
        SELECT c.relname INTO v_index
          FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
          LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u')
         WHERE i.indrelid = v_staging::regclass AND i.indisvalid AND i.indisunique = v_item.indisunique
           AND (k.contype IS NULL OR k.contype = v_item.contype)
           AND right(pg_get_indexdef(i.indexrelid), length(v_def) + 7) = ' USING ' || v_def
         ORDER BY k.contype IS NULL LIMIT 1;
        IF NOT FOUND THEN
            v_index := 'frostline_' || left(md5(p_staging_schema || '.' || p_staging_table || '.' || v_item.relname), 16);
            EXECUTE format('CREATE %sINDEX %I ON %s USING %s', CASE WHEN v_item.indisunique THEN 'UNIQUE ' ELSE '' END, v_index, v_staging, v_def);
        END IF;
        IF v_item.conname IS NOT NULL AND NOT EXISTS (
            SELECT FROM pg_constraint k JOIN pg_class c ON c.oid = k.conindid WHERE k.conrelid = v_staging::regclass AND c.relname = v_index) THEN
            EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I %s USING INDEX %I%s%s', v_staging, v_index,
                CASE v_item.contype WHEN 'p' THEN 'PRIMARY KEY' ELSE 'UNIQUE' END, v_index,
                CASE WHEN v_item.condeferrable THEN ' DEFERRABLE' ELSE '' END, CASE WHEN v_item.condeferred THEN ' INITIALLY DEFERRED' ELSE '' END);
        END IF;
        COMMIT;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog', true), pg_catalog.set_config('lock_timeout', v_timeout, true);
    END LOOP;

    -- A DEFAULT partition would be scanned under its lock, unless a CHECK says that it holds no row of the range.
    SELECT format('%I.%I', n.nspname, c.relname) INTO v_default
      FROM pg_partitioned_table k JOIN pg_class c ON c.oid = k.partdefid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE k.partrelid = v_target::regclass;
    IF v_default IS NOT NULL THEN
        IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = v_default::regclass AND conname = v_check) THEN
            EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I CHECK (NOT (%s)) NOT VALID', v_default, v_check, v_inside);
        END IF;
        COMMIT;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog', true), pg_catalog.set_config('lock_timeout', v_timeout, true);
        EXECUTE format('ALTER TABLE %s VALIDATE CONSTRAINT %I', v_default, v_check);
        COMMIT;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog', true), pg_catalog.set_config('lock_timeout', v_timeout, true);
    END IF;

    -- The short part. A lock that is not granted in time rolls it back, and it is tried again after a pause.
    LOOP
        BEGIN
            v_name := p_staging_table;
            SELECT n.nspname, c.relname INTO v_old
              FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE h.inhparent = v_target::regclass AND pg_get_expr(c.relpartbound, c.oid) = v_bound;
            IF FOUND THEN
                EXECUTE format('ALTER TABLE %s DETACH PARTITION %I.%I', v_target, v_old.nspname, v_old.relname);
                v_name := left(v_old.relname, 44) || '_old_' || to_char(clock_timestamp(), 'YYYYMMDDHH24MISS');
                EXECUTE format('ALTER TABLE %I.%I RENAME TO %I', v_old.nspname, v_old.relname, v_name);
                RAISE NOTICE 'attach: the partition that was there is detached, and is now %.%', quote_ident(v_old.nspname), quote_ident(v_name);
                v_name := v_old.relname;
            END IF;
            IF v_name <> p_staging_table THEN
                EXECUTE format('ALTER TABLE %s RENAME TO %I', v_staging, v_name);
            END IF;
            EXECUTE format('ALTER TABLE %s ATTACH PARTITION %I.%I %s', v_target, p_staging_schema, v_name, v_bound);
            EXECUTE format('ALTER TABLE %I.%I DROP CONSTRAINT %I', p_staging_schema, v_name, v_check);
            IF v_default IS NOT NULL THEN
                EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', v_default, v_check);
            END IF;
            EXIT;
        EXCEPTION WHEN lock_not_available THEN
            v_try := v_try + 1;
            IF v_try >= 10 THEN
                RAISE EXCEPTION 'attach: no lock on % after % tries of %; staging % is ready and was not attached, call again', v_target, v_try, v_timeout, v_staging
                    USING ERRCODE = 'lock_not_available';
            END IF;
        END;
        COMMIT;
        PERFORM pg_sleep(least(0.1 * 2 ^ v_try, 10));
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog', true), pg_catalog.set_config('lock_timeout', v_timeout, true);
    END LOOP;
    COMMIT;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog', true);
    EXECUTE format('ANALYZE %I.%I', p_staging_schema, v_name);
    RAISE NOTICE 'attach: %.% is a partition of % %', quote_ident(p_staging_schema), quote_ident(v_name), v_target, v_bound;
    COMMIT;
    PERFORM pg_catalog.set_config('search_path', v_path, false);
END $$;
COMMENT ON PROCEDURE @schema@.attach_restored_partition(text, text, text, text, text, text, text)
    IS 'frostline: attaches a staging table as a partition, without a scan';
