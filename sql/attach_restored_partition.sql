-- Makes a staging table the partition [p_partition_start, p_partition_end) of a RANGE-partitioned table, without a scan
-- under the parent's lock. MINVALUE and MAXVALUE (or NULL) are the open ends.
--   1. nothing is touched before the bounds are known to fit: no other partition overlaps, no row of the DEFAULT partition;
--   2. on staging alone: NOT NULL, CHECK constraints, foreign keys and indexes (with their constraints) that the parent asks for,
--      and a CHECK of the bounds, added NOT VALID and then validated once; owned sequences are moved past the largest value;
--   3. in one short transaction: a partition with the same bounds, if there is one, is detached and renamed (never dropped),
--      staging takes its name, and is attached;
--      The CHECK is dropped with it;
--   4. the partition is analysed.
-- Locks are waited for no longer than lock_timeout (5 s when it is 0), with retries. Call it outside a transaction, as the owner of
-- both tables. It may be called again after it was stopped; until then a DEFAULT partition may keep a CHECK frostline_bounds, which
-- refuses rows of the range.
CREATE OR REPLACE PROCEDURE @schema@.attach_restored_partition(
    p_staging_schema text, p_staging_table text, p_target_schema text, p_target_table text,
    p_partition_column text, p_partition_start text, p_partition_end text)
LANGUAGE plpgsql AS $$
DECLARE
    v_staging text;
    v_target  text;
    v_type    text;
    v_collate text;
    v_key     text;
    v_from    text;
    v_to      text;
    v_inside  text;
    v_bound   text;
    v_check   text;
    v_default text;
    v_name    text := p_staging_table;
    v_keep    text;
    v_item    record;
    v_prefix  text;
    v_index   text;
    v_have    oid;
    v_used    oid[] := '{}';
    v_def     text;
    v_bad     boolean;
    v_error   text;
    v_state   text;
    v_try     integer := 0;
    v_timeout text := COALESCE(NULLIF(pg_catalog.current_setting('lock_timeout'), '0'), '5s');
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true), pg_catalog.set_config('lock_timeout', v_timeout, true);
    v_staging := format('%I.%I', p_staging_schema, p_staging_table);
    v_target := format('%I.%I', p_target_schema, p_target_table);

    SELECT format_type(a.atttypid, -1),
           COALESCE((SELECT format(' COLLATE %I.%I', n.nspname, l.collname)
              FROM pg_collation l JOIN pg_namespace n ON n.oid = l.collnamespace WHERE l.oid = k.partcollation[0] AND l.oid <> a.attcollation), '')
      INTO v_type, v_collate
      FROM pg_partitioned_table k JOIN pg_attribute a ON a.attrelid = k.partrelid AND a.attnum = k.partattrs[0]
     WHERE k.partrelid = v_target::regclass AND k.partstrat = 'r' AND k.partnatts = 1 AND a.attname = p_partition_column;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'attach: % is not partitioned by RANGE (%); nothing was done', v_target, quote_ident(p_partition_column)
            USING HINT = 'LIST, HASH and several key columns: use restore --attach.';
    END IF;
    FOR v_item IN SELECT relname FROM pg_class WHERE oid IN (v_staging::regclass, v_target::regclass) AND NOT pg_has_role(relowner, 'USAGE') LOOP
        RAISE EXCEPTION 'attach: % does not own %; nothing was done', current_user, quote_ident(v_item.relname) USING ERRCODE = 'insufficient_privilege';
    END LOOP;
    IF EXISTS (SELECT FROM pg_inherits WHERE inhrelid = v_staging::regclass) THEN
        RAISE EXCEPTION 'attach: % is a partition already; nothing was done', v_staging;
    END IF;
    FOR v_item IN
        SELECT string_agg(quote_ident(COALESCE(s.attname, t.attname)), ', ') AS columns
          FROM (SELECT * FROM pg_attribute WHERE attrelid = v_target::regclass AND attnum > 0 AND NOT attisdropped) t
          FULL JOIN (SELECT * FROM pg_attribute WHERE attrelid = v_staging::regclass AND attnum > 0 AND NOT attisdropped) s ON s.attname = t.attname
         WHERE (s.atttypid, s.atttypmod, s.attcollation, s.attgenerated) IS DISTINCT FROM (t.atttypid, t.atttypmod, t.attcollation, t.attgenerated)
        HAVING count(*) > 0
    LOOP
        RAISE EXCEPTION 'attach: % and % differ in columns %; nothing was done', v_staging, v_target, v_item.columns
            USING HINT = 'SELECT * FROM validate_table_schemas(...) WHERE NOT is_valid shows what differs.';
    END LOOP;

    -- The bounds as SQL: typed, not empty, and beside those of every partition there is.
    EXECUTE format('SELECT quote_literal(CAST(%L AS %s)), quote_literal(CAST(%L AS %s))', NULLIF(p_partition_start, 'MINVALUE'), v_type,
                   NULLIF(p_partition_end, 'MAXVALUE'), v_type) INTO v_from, v_to;
    v_key := quote_ident(p_partition_column) || v_collate;
    v_type := v_type || ')' || v_collate;
    v_inside := v_key || ' IS NOT NULL' || COALESCE(' AND ' || v_key || ' >= CAST(' || v_from || ' AS ' || v_type, '')
                                        || COALESCE(' AND ' || v_key || ' < CAST(' || v_to || ' AS ' || v_type, '');
    v_bound := format('FOR VALUES FROM (%s) TO (%s)', COALESCE(v_from, 'MINVALUE'), COALESCE(v_to, 'MAXVALUE'));
    v_check := 'frostline_bounds_' || left(encode(sha256(convert_to(v_inside, 'UTF8')), 'hex'), 8);
    EXECUTE format('SELECT CAST(%1$s AS %3$s >= CAST(%2$s AS %3$s', COALESCE(v_from, 'NULL'), COALESCE(v_to, 'NULL'), v_type) INTO v_bad;
    IF v_bad THEN
        RAISE EXCEPTION 'attach: the range % is empty; nothing was done', v_bound;
    END IF;
    FOR v_item IN SELECT * FROM @schema@.frostline_overlapping_partitions(v_target, v_from, v_to, v_type) WHERE NOT same_bounds LOOP
        RAISE EXCEPTION 'attach: the range % overlaps partition %.%; nothing was done', v_bound, quote_ident(v_item.schema_name), quote_ident(v_item.table_name);
    END LOOP;
    SELECT format('%I.%I', n.nspname, c.relname) INTO v_default
      FROM pg_partitioned_table k JOIN pg_class c ON c.oid = k.partdefid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE k.partrelid = v_target::regclass;
    IF v_default IS NOT NULL THEN
        EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE %s)', v_default, v_inside) INTO v_bad;
        IF v_bad THEN
            RAISE EXCEPTION 'attach: the DEFAULT partition % holds rows of the range %; nothing was done', v_default, v_bound
                USING HINT = 'Move those rows to the staging table, or delete them, first.';
        END IF;
    END IF;

    -- Staging alone. From PostgreSQL 17 a partition has the identity of its parent, and may bring none.
    IF (SELECT relpersistence = 'u' FROM pg_class WHERE oid = v_staging::regclass) THEN
        EXECUTE format('ALTER TABLE %s SET LOGGED', v_staging);
    END IF;
    FOR v_item IN
        SELECT attname FROM pg_attribute
         WHERE attrelid = v_staging::regclass AND attidentity <> '' AND NOT attisdropped AND current_setting('server_version_num')::integer >= 170000
    LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP IDENTITY', v_staging, v_item.attname);
    END LOOP;
    FOR v_item IN
        SELECT conname FROM pg_constraint
         WHERE conrelid = v_staging::regclass AND contype = 'c' AND conname LIKE 'frostline\_bounds\_%' AND conname <> v_check
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', v_staging, v_item.conname);
    END LOOP;
    COMMIT;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true), pg_catalog.set_config('lock_timeout', v_timeout, true);

    -- The bounds, and the parent's own CHECK constraints and foreign keys: added at once, validated without blocking anybody. What is
    -- not validated on the parent stays so. A foreign key's rows for the partitions of the table it refers to are not its own.
    FOR v_item IN
        SELECT v_check AS name, format('CHECK (%s)', v_inside) AS def
        UNION ALL
        SELECT c.conname, pg_get_constraintdef(c.oid) FROM pg_constraint c
         WHERE c.conrelid = v_target::regclass AND c.contype IN ('c', 'f')
           AND NOT EXISTS (SELECT FROM pg_constraint p WHERE p.oid = c.conparentid AND p.conrelid = c.conrelid)
    LOOP
        IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = v_staging::regclass AND conname = v_item.name) THEN
            EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I %s', v_staging, v_item.name,
                           v_item.def || CASE WHEN v_item.def ~ ' (NOT VALID|NOT ENFORCED)$' THEN '' ELSE ' NOT VALID' END);
        END IF;
    END LOOP;
    COMMIT;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true), pg_catalog.set_config('lock_timeout', v_timeout, true);
    FOR v_item IN
        SELECT s.conname FROM pg_constraint s LEFT JOIN pg_constraint t ON t.conrelid = v_target::regclass AND t.conname = s.conname
         WHERE s.conrelid = v_staging::regclass AND s.contype IN ('c', 'f', 'n') AND NOT s.convalidated
           AND (s.conname = v_check OR s.contype = 'n' OR t.convalidated)
    LOOP
        EXECUTE format('ALTER TABLE %s VALIDATE CONSTRAINT %I', v_staging, v_item.conname);
    END LOOP;
    FOR v_item IN
        SELECT t.attname FROM pg_attribute t JOIN pg_attribute s ON s.attrelid = v_staging::regclass AND s.attname = t.attname
         WHERE t.attrelid = v_target::regclass AND t.attnum > 0 AND NOT t.attisdropped AND t.attnotnull AND NOT s.attnotnull
    LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL', v_staging, v_item.attname);
    END LOOP;
    COMMIT;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true), pg_catalog.set_config('lock_timeout', v_timeout, true);

    -- Every index of the parent that staging has no equal of; a constraint's index gets its constraint. One index serves one of
    -- the parent's, and constraints choose first. Each is one transaction: none is left without its constraint.
    FOR v_item IN
        SELECT i.indexrelid, c.relname, i.indisunique, i.indisexclusion, k.conname, k.contype, k.condeferrable, k.condeferred
          FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
          LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')
         WHERE i.indrelid = v_target::regclass AND i.indisvalid
         ORDER BY k.contype IS NULL, c.relname
    LOOP
        v_index := 'frostline_' || left(encode(sha256(convert_to(p_staging_schema || '.' || p_staging_table || '.' || v_item.relname, 'UTF8')), 'hex'), 16);
        IF v_item.indisexclusion THEN -- EXCLUDE, and from PostgreSQL 18 WITHOUT OVERLAPS: ATTACH builds its own, whatever is there
            RAISE NOTICE 'attach: ATTACH itself will build the index of constraint %, which takes longer the larger staging is', quote_ident(v_item.conname);
            CONTINUE;
        END IF;
        v_prefix := format('CREATE %sINDEX %I ON ONLY %s USING ', CASE WHEN v_item.indisunique THEN 'UNIQUE ' ELSE '' END, v_item.relname, v_target);
        v_def := pg_get_indexdef(v_item.indexrelid);
        IF left(v_def, length(v_prefix)) <> v_prefix THEN
            RAISE EXCEPTION 'attach: index % is defined as %, which is not understood; staging % was not attached', v_item.relname, v_def, v_staging;
        END IF;
        v_def := substr(v_def, length(v_prefix) + 1);
        SELECT c.relname, c.oid INTO v_name, v_have
          FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
          LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u')
         WHERE i.indrelid = v_staging::regclass AND i.indisvalid AND i.indisunique = v_item.indisunique
           AND (k.contype IS NULL OR k.contype = v_item.contype) AND i.indexrelid <> ALL (v_used)
           AND right(pg_get_indexdef(i.indexrelid), length(v_def) + 7) = ' USING ' || v_def
         ORDER BY k.contype IS NULL LIMIT 1;
        IF FOUND THEN
            v_index := v_name;
        ELSE
            EXECUTE format('CREATE %sINDEX %I ON %s USING %s', CASE WHEN v_item.indisunique THEN 'UNIQUE ' ELSE '' END, v_index, v_staging, v_def);
            v_have := format('%I.%I', p_staging_schema, v_index)::regclass;
        END IF;
        v_used := v_used || v_have;
        IF v_item.conname IS NOT NULL AND NOT EXISTS (
            SELECT FROM pg_constraint k JOIN pg_class c ON c.oid = k.conindid WHERE k.conrelid = v_staging::regclass AND c.relname = v_index) THEN
            EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I %s USING INDEX %I%s%s', v_staging, v_index,
                CASE v_item.contype WHEN 'p' THEN 'PRIMARY KEY' ELSE 'UNIQUE' END, v_index,
                CASE WHEN v_item.condeferrable THEN ' DEFERRABLE' ELSE '' END, CASE WHEN v_item.condeferred THEN ' INITIALLY DEFERRED' ELSE '' END);
        END IF;
        COMMIT;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true), pg_catalog.set_config('lock_timeout', v_timeout, true);
    END LOOP;

    -- Before the attach, after which no second call could do it.
    PERFORM @schema@.frostline_advance_sequences(p_staging_schema, p_staging_table, p_target_schema, p_target_table);
    COMMIT;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true), pg_catalog.set_config('lock_timeout', v_timeout, true);

    -- A DEFAULT partition would be scanned under its lock, unless a CHECK says that it holds no row of the range.
    IF v_default IS NOT NULL THEN
        IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = v_default::regclass AND conname = v_check) THEN
            EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I CHECK (NOT (%s)) NOT VALID', v_default, v_check, v_inside);
        END IF;
        COMMIT;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true), pg_catalog.set_config('lock_timeout', v_timeout, true);
        BEGIN
            EXECUTE format('ALTER TABLE %s VALIDATE CONSTRAINT %I', v_default, v_check);
        EXCEPTION WHEN check_violation THEN
            v_error := format('the DEFAULT partition %s has got rows of the range %s meanwhile', v_default, v_bound);
            v_state := 'check_violation';
        END;
        COMMIT;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true), pg_catalog.set_config('lock_timeout', v_timeout, true);
    END IF;

    -- The short part. A lock that is not granted in time rolls it back, and it is tried again after a pause.
    WHILE v_error IS NULL LOOP
        BEGIN
            v_name := p_staging_table;
            EXECUTE format('LOCK TABLE ONLY %s IN SHARE UPDATE EXCLUSIVE MODE', v_target);
            FOR v_item IN SELECT * FROM @schema@.frostline_overlapping_partitions(v_target, v_from, v_to, v_type) WHERE same_bounds LOOP
                EXECUTE format('ALTER TABLE %s DETACH PARTITION %I.%I', v_target, v_item.schema_name, v_item.table_name);
                v_name := v_item.table_name;
                v_keep := v_name;
                WHILE octet_length(v_keep) > 44 LOOP
                    v_keep := left(v_keep, -1);
                END LOOP;
                v_keep := v_keep || '_old_' || to_char(clock_timestamp(), 'YYYYMMDDHH24MISS');
                EXECUTE format('ALTER TABLE %I.%I RENAME TO %I', v_item.schema_name, v_name, v_keep);
                RAISE NOTICE 'attach: the partition that was there is detached, and is now %.%', quote_ident(v_item.schema_name), quote_ident(v_keep);
            END LOOP;
            IF v_name <> p_staging_table THEN
                EXECUTE format('ALTER TABLE %s RENAME TO %I', v_staging, v_name);
            END IF;
            EXECUTE format('ALTER TABLE %s ATTACH PARTITION %I.%I %s', v_target, p_staging_schema, v_name, v_bound);
            EXECUTE format('ALTER TABLE %I.%I DROP CONSTRAINT %I', p_staging_schema, v_name, v_check);
            IF v_default IS NOT NULL THEN
                EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', v_default, v_check);
            END IF;
            EXIT;
        EXCEPTION
            WHEN lock_not_available OR deadlock_detected THEN
                v_try := v_try + 1;
                IF v_try >= 10 THEN
                    v_error := format('no lock on %s after %s tries of %s', v_target, v_try, v_timeout);
                    v_state := 'lock_not_available';
                END IF;
            WHEN OTHERS THEN
                v_error := SQLERRM;
                v_state := SQLSTATE;
        END;
        COMMIT;
        PERFORM pg_sleep(CASE WHEN v_error IS NULL THEN least(0.1 * 2 ^ v_try, 10) ELSE 0 END);
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true), pg_catalog.set_config('lock_timeout', v_timeout, true);
    END LOOP;
    IF v_error IS NOT NULL THEN
        -- The CHECK must not stay on a DEFAULT partition that has to take rows of the range again.
        IF v_default IS NOT NULL THEN
            BEGIN
                EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I', v_default, v_check);
            EXCEPTION WHEN lock_not_available THEN
                v_error := v_error || format('; run ALTER TABLE %s DROP CONSTRAINT %I', v_default, v_check);
            END;
            COMMIT;
        END IF;
        RAISE EXCEPTION 'attach: %; staging % is ready and was not attached, call again', v_error, v_staging USING ERRCODE = v_state;
    END IF;
    COMMIT;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true), pg_catalog.set_config('lock_timeout', v_timeout, true);
    EXECUTE format('ANALYZE %I.%I', p_staging_schema, v_name);
    RAISE NOTICE 'attach: %.% is a partition of % %', quote_ident(p_staging_schema), quote_ident(v_name), v_target, v_bound;
END $$;
COMMENT ON PROCEDURE @schema@.attach_restored_partition(text, text, text, text, text, text, text)
    IS 'frostline @version@: attaches a staging table as a partition, without a scan';
