-- What stands between a staging table and its target. It looks at the data, and fails where row-level security would hide rows:
--   staging_count           INFO     rows in staging
--   target_partition_count  OK 0, WARNING otherwise: rows already in the target's partition
--   partition_value         OK, ERROR: staging rows that do not belong to the partition
--   schema_match            OK, ERROR: with the differences of columns and types
--   null_check_<column>     OK, ERROR: NULLs in staging where the target has NOT NULL
CREATE OR REPLACE FUNCTION @schema@.generate_migration_report(
    p_staging_schema text, p_staging_table text, p_target_schema text, p_target_table text,
    p_partition_column text, p_partition_value text)
RETURNS TABLE (check_name text, result text, details jsonb)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET row_security = off AS $$
DECLARE
    v_count   bigint;
    v_outside bigint;
    v_target  bigint;
    v_diff    jsonb;
    v_column  text;
BEGIN
    SELECT jsonb_agg(jsonb_build_object('check', v.validation_type, 'column', v.column_name,
                                        'staging', v.source_value, 'target', v.target_value))
      INTO v_diff
      FROM @schema@.validate_table_schemas(p_staging_schema, p_staging_table, p_target_schema, p_target_table) v
     WHERE NOT v.is_valid AND v.validation_type <> 'nullability';

    EXECUTE format('SELECT count(*), count(*) FILTER (WHERE (%s) IS NOT TRUE) FROM %I.%I',
                   @schema@.frostline_partition_condition(p_staging_schema, p_staging_table, p_partition_column, p_partition_value),
                   p_staging_schema, p_staging_table)
       INTO v_count, v_outside;
    EXECUTE format('SELECT count(*) FROM %I.%I WHERE %s', p_target_schema, p_target_table,
                   @schema@.frostline_partition_condition(p_target_schema, p_target_table, p_partition_column, p_partition_value))
       INTO v_target;

    RETURN QUERY VALUES
        ('staging_count', 'INFO', jsonb_build_object('rows', v_count)),
        ('target_partition_count', CASE WHEN v_target = 0 THEN 'OK' ELSE 'WARNING' END, jsonb_build_object('rows', v_target)),
        ('partition_value', CASE WHEN v_outside = 0 THEN 'OK' ELSE 'ERROR' END, jsonb_build_object('rows_outside', v_outside)),
        ('schema_match', CASE WHEN v_diff IS NULL THEN 'OK' ELSE 'ERROR' END,
         jsonb_build_object('differences', COALESCE(v_diff, '[]'::jsonb)));

    FOR v_column IN
        SELECT t.attname FROM pg_attribute t
         WHERE t.attrelid = format('%I.%I', p_target_schema, p_target_table)::regclass
           AND t.attnum > 0 AND NOT t.attisdropped AND t.attnotnull
           AND EXISTS (SELECT FROM pg_attribute s WHERE s.attrelid = format('%I.%I', p_staging_schema, p_staging_table)::regclass
                                                    AND s.attname = t.attname AND s.attnum > 0 AND NOT s.attisdropped)
         ORDER BY t.attnum
    LOOP
        EXECUTE format('SELECT count(*) FROM %I.%I WHERE %I IS NULL', p_staging_schema, p_staging_table, v_column) INTO v_count;
        RETURN QUERY VALUES ('null_check_' || v_column, CASE WHEN v_count = 0 THEN 'OK' ELSE 'ERROR' END,
                             jsonb_build_object('nulls', v_count));
    END LOOP;
END $$;
COMMENT ON FUNCTION @schema@.generate_migration_report(text, text, text, text, text, text)
    IS 'frostline @version@: counts, schema and NULLs between a staging table and its target';
