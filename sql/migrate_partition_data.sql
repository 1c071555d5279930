-- Moves the staging rows of one partition into the target, p_batch_size rows a transaction. A row is deleted from staging
-- in the statement that inserts it into the target, so the procedure can be stopped anywhere and called again; what is
-- left in staging is what is left to do. Call it outside a transaction. Two callers at once take turns, batch by batch.
-- Identity and serial sequences of the target are moved past the largest value first. Triggers of the target fire.
--
-- With p_delete_existing the target's rows of the partition are deleted first, once: the staging table's comment marks that it
-- is done, so that a second call does not delete what the first one has moved. Nothing is deleted when staging holds no row of the
-- partition. It needs the ownership of staging.
CREATE OR REPLACE PROCEDURE @schema@.migrate_partition_data(
    p_staging_schema text, p_staging_table text, p_target_schema text, p_target_table text,
    p_partition_column text, p_partition_value text,
    p_delete_existing boolean DEFAULT false, p_batch_size integer DEFAULT 50000)
LANGUAGE plpgsql AS $$
DECLARE
    v_staging  text;
    v_target   text;
    v_columns  text;
    v_where    text;
    v_mark     text;
    v_comment  text;
    v_oid      pg_catalog.oid;
    v_tids     pg_catalog.tid[];
    v_from     pg_catalog.tid;
    v_some     boolean;
    v_delete   text;
    v_move     text;
    v_found    bigint := 0;
    v_deleted  bigint;
    v_inserted bigint;
    v_total    bigint := 0;
    v_path     text := pg_catalog.current_setting('search_path');
    v_timeout  text := COALESCE(NULLIF(pg_catalog.current_setting('lock_timeout'), '0'), '5s');
BEGIN
    IF p_batch_size IS NULL OR p_batch_size < 1 THEN
        RAISE EXCEPTION 'migrate: p_batch_size is %, it must be at least 1; nothing was moved', p_batch_size
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true), pg_catalog.set_config('lock_timeout', v_timeout, true);
    v_staging := format('%I.%I', p_staging_schema, p_staging_table);
    v_target := format('%I.%I', p_target_schema, p_target_table);
    v_oid := v_staging::regclass;
    IF v_oid = v_target::regclass THEN
        RAISE EXCEPTION 'migrate: staging and target are the same table %; nothing was moved', v_staging;
    END IF;
    IF EXISTS (SELECT FROM @schema@.validate_table_schemas(p_staging_schema, p_staging_table, p_target_schema, p_target_table) v
                WHERE NOT v.is_valid AND v.validation_type <> 'nullability') THEN
        RAISE EXCEPTION 'migrate: columns of % and % differ; nothing was moved', v_staging, v_target
            USING HINT = 'SELECT * FROM validate_table_schemas(...) WHERE NOT is_valid shows what differs.';
    END IF;
    v_where := @schema@.frostline_partition_condition(p_staging_schema, p_staging_table, p_partition_column, p_partition_value);
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO v_columns FROM pg_attribute
     WHERE attrelid = v_target::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '';

    -- Held to the next COMMIT: another caller on the same staging table waits here, or finds the mark.
    EXECUTE format('LOCK TABLE %s IN SHARE UPDATE EXCLUSIVE MODE', v_staging);
    EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE %s)', v_staging, v_where) INTO v_some;
    IF v_some THEN
        PERFORM @schema@.frostline_advance_sequences(p_staging_schema, p_staging_table, p_target_schema, p_target_table);
    END IF;
    IF p_delete_existing THEN
        v_mark := format(' [frostline: rows of %s where %s deleted]', v_target, v_where);
        v_comment := COALESCE(obj_description(v_oid, 'pg_class'), '');
        IF NOT v_some AND position(v_mark IN v_comment) = 0 THEN
            RAISE NOTICE 'migrate: % has no row where %; nothing was deleted', v_staging, v_where;
        ELSIF position(v_mark IN v_comment) = 0 THEN
            v_delete := format('DELETE FROM %s WHERE %s', v_target,
                @schema@.frostline_partition_condition(p_target_schema, p_target_table, p_partition_column, p_partition_value));
            PERFORM set_config('search_path', v_path, true);
            EXECUTE v_delete;
            GET DIAGNOSTICS v_deleted = ROW_COUNT;
            PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
            EXECUTE format('COMMENT ON TABLE %s IS %L', v_staging, v_comment || v_mark);
            RAISE NOTICE 'migrate: % rows deleted from %', v_deleted, v_target;
        END IF;
    END IF;
    COMMIT;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true), pg_catalog.set_config('lock_timeout', v_timeout, true);

    -- The scan goes on behind the rows it has moved, and starts over until a whole pass finds none. Rows move under the caller's
    -- own search_path, which triggers of the target may need.
    v_move := format(
        'WITH gone AS (DELETE FROM %1$s WHERE ctid OPERATOR(pg_catalog.=) ANY ($1) RETURNING %3$s),
              come AS (INSERT INTO %2$s (%3$s) OVERRIDING SYSTEM VALUE SELECT %3$s FROM gone RETURNING 1)
         SELECT (SELECT pg_catalog.count(*) FROM gone), (SELECT pg_catalog.count(*) FROM come)', v_staging, v_target, v_columns);
    LOOP
        v_from := '(0,0)';
        v_found := 0;
        LOOP
            EXECUTE format('LOCK TABLE %s IN SHARE UPDATE EXCLUSIVE MODE', v_staging);
            EXECUTE format('SELECT ARRAY(SELECT ctid FROM %s WHERE ctid > $1 AND (%s) LIMIT $2)', v_staging, v_where)
               INTO v_tids USING v_from, p_batch_size;
            EXIT WHEN cardinality(v_tids) = 0;
            PERFORM set_config('search_path', v_path, true);
            EXECUTE v_move INTO v_deleted, v_inserted USING v_tids;
            PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
            IF v_deleted <> v_inserted THEN
                RAISE EXCEPTION 'migrate: of % rows taken from % the target % took %; the batch was rolled back',
                    v_deleted, v_staging, v_target, v_inserted
                    USING HINT = 'Look for a trigger or a rule on the target that drops rows.';
            END IF;
            v_from := v_tids[cardinality(v_tids)];
            v_found := v_found + v_deleted;
            v_total := v_total + v_deleted;
            COMMIT;
            RAISE NOTICE 'migrate: % rows moved to %', v_total, v_target;
            PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true), pg_catalog.set_config('lock_timeout', v_timeout, true);
        END LOOP;
        EXIT WHEN v_found = 0;
    END LOOP;

    IF p_delete_existing THEN
        EXECUTE format('COMMENT ON TABLE %s IS %L', v_staging, NULLIF(replace(COALESCE(obj_description(v_oid, 'pg_class'), ''), v_mark, ''), ''));
    END IF;
    RAISE NOTICE 'migrate: done, % rows moved to %', v_total, v_target;
    COMMIT;
END $$;
COMMENT ON PROCEDURE @schema@.migrate_partition_data(text, text, text, text, text, text, boolean, integer)
    IS 'frostline @version@: moves staging rows into the target in committed batches, resumable';
