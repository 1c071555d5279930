-- Drops a staging table, but only once nothing of it can be lost: it is empty, or the target named holds each of its rows
-- (as often as staging does). p_verify_count = false leaves the check out. A table that is a partition, or a child of another, is
-- never dropped. The comparison reads the whole target when staging is not empty.
CREATE OR REPLACE PROCEDURE @schema@.cleanup_after_migration(
    p_staging_schema text, p_staging_table text,
    p_verify_target_schema text DEFAULT NULL, p_verify_target_table text DEFAULT NULL, p_verify_count boolean DEFAULT true)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = off SET extra_float_digits = 1 AS $$
DECLARE
    v_staging text := format('%I.%I', p_staging_schema, p_staging_table);
    v_target  text;
    v_columns text;
    v_rows    bigint;
    v_missing bigint;
BEGIN
    IF to_regclass(v_staging) IS NULL THEN
        RAISE NOTICE 'cleanup: % does not exist, nothing to do', v_staging;
        RETURN;
    END IF;
    IF current_setting('lock_timeout') = '0' THEN
        PERFORM set_config('lock_timeout', '5s', true);
    END IF;
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', v_staging);
    IF EXISTS (SELECT FROM pg_inherits WHERE inhrelid = v_staging::regclass) THEN
        RAISE EXCEPTION 'cleanup: % is a partition of %; it was not dropped', v_staging,
            (SELECT string_agg(inhparent::regclass::text, ', ') FROM pg_inherits WHERE inhrelid = v_staging::regclass);
    END IF;
    IF p_verify_count THEN
        EXECUTE format('SELECT count(*) FROM %s', v_staging) INTO v_rows;
        IF v_rows > 0 AND p_verify_target_table IS NULL THEN
            RAISE EXCEPTION 'cleanup: % still has % rows and no target was named to compare with; it was not dropped', v_staging, v_rows;
        END IF;
        IF v_rows > 0 THEN
            v_target := format('%I.%I', COALESCE(p_verify_target_schema, p_staging_schema), p_verify_target_table);
            IF v_target::regclass = v_staging::regclass THEN
                RAISE EXCEPTION 'cleanup: staging and target are the same table %; it was not dropped', v_staging;
            END IF;
            SELECT string_agg(quote_ident(attname) || '::text', ', ' ORDER BY attnum) INTO v_columns FROM pg_attribute
             WHERE attrelid = v_staging::regclass AND attnum > 0 AND NOT attisdropped;
            EXECUTE format('SELECT count(*) FROM (SELECT %1$s FROM %2$s EXCEPT ALL SELECT %1$s FROM %3$s) missing',
                           v_columns, v_staging, v_target) INTO v_missing;
            IF v_missing > 0 THEN
                RAISE EXCEPTION 'cleanup: % of the % rows of % are not in %; it was not dropped', v_missing, v_rows, v_staging, v_target;
            END IF;
        END IF;
    END IF;
    EXECUTE format('DROP TABLE %s', v_staging);
    RAISE NOTICE 'cleanup: % dropped', v_staging;
END $$;
COMMENT ON PROCEDURE @schema@.cleanup_after_migration(text, text, text, text, boolean)
    IS 'frostline @version@: drops a staging table once all of its rows are in the target';
