-- Moves the sequences that the target's columns own (identity and serial) past the largest value in a staging table, never
-- back. A sequence that the caller may not change is a warning.
CREATE OR REPLACE FUNCTION @schema@.frostline_advance_sequences(
    p_staging_schema text, p_staging_table text, p_target_schema text, p_target_table text)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_item record;
    v_to   bigint;
BEGIN
    FOR v_item IN
        SELECT a.attname, q.seqrelid, q.seqincrement > 0 AS up, format('%I.%I', n.nspname, c.relname) AS name
          FROM pg_attribute a
          JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum
                          AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
          JOIN pg_sequence q ON q.seqrelid = d.objid
          JOIN pg_class c ON c.oid = q.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE a.attrelid = format('%I.%I', p_target_schema, p_target_table)::regclass AND NOT a.attisdropped
           AND EXISTS (SELECT FROM pg_attribute s WHERE s.attrelid = format('%I.%I', p_staging_schema, p_staging_table)::regclass
                                                    AND s.attname = a.attname AND s.attnum > 0 AND NOT s.attisdropped)
    LOOP
        IF NOT has_sequence_privilege(v_item.seqrelid, 'UPDATE') OR NOT has_sequence_privilege(v_item.seqrelid, 'SELECT') THEN
            RAISE WARNING 'sequence % of column % may not be changed by %; move it past the largest value yourself',
                v_item.name, quote_ident(v_item.attname), current_user;
            CONTINUE;
        END IF;
        EXECUTE format('SELECT %s(%I)::bigint FROM %I.%I', CASE WHEN v_item.up THEN 'max' ELSE 'min' END,
                       v_item.attname, p_staging_schema, p_staging_table) INTO v_to;
        EXECUTE format('SELECT setval(%s::regclass, $1) FROM %s WHERE CASE WHEN %L THEN $1 > last_value ELSE $1 < last_value END',
                       v_item.seqrelid, v_item.name, v_item.up) USING v_to;
    END LOOP;
END $$;
COMMENT ON FUNCTION @schema@.frostline_advance_sequences(text, text, text, text)
    IS 'frostline @version@: moves owned sequences past the values of a staging table';
