-- The partitions of a RANGE-partitioned table with one key that overlap [p_from, p_to). Bounds are SQL literals, NULL where open; p_type
-- is what follows "CAST(literal AS ", closing parenthesis and collation included. The DEFAULT partition is not among them.
CREATE OR REPLACE FUNCTION @schema@.frostline_overlapping_partitions(p_target text, p_from text, p_to text, p_type text)
RETURNS TABLE (schema_name text, table_name text, same_bounds boolean)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on AS $$
DECLARE
    v_item    record;
    v_overlap boolean;
    v_same    boolean;
BEGIN
    FOR v_item IN
        SELECT n.nspname, c.relname, NULLIF(b.m[1], 'MINVALUE') AS lower, NULLIF(b.m[2], 'MAXVALUE') AS upper
          FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
         CROSS JOIN LATERAL regexp_match(pg_get_expr(c.relpartbound, c.oid),
             '^FOR VALUES FROM \((''(?:[^'']|'''')*''|[^'']+)\) TO \((''(?:[^'']|'''')*''|[^'']+)\)\Z') b(m)
         WHERE h.inhparent = p_target::regclass AND b.m IS NOT NULL
    LOOP
        EXECUTE format('SELECT COALESCE(CAST(%1$s AS %5$s < CAST(%4$s AS %5$s, true) AND COALESCE(CAST(%3$s AS %5$s < CAST(%2$s AS %5$s, true),
                               CAST(%1$s AS %5$s IS NOT DISTINCT FROM CAST(%3$s AS %5$s AND CAST(%2$s AS %5$s IS NOT DISTINCT FROM CAST(%4$s AS %5$s',
                       COALESCE(p_from, 'NULL'), COALESCE(p_to, 'NULL'), COALESCE(v_item.lower, 'NULL'), COALESCE(v_item.upper, 'NULL'), p_type)
           INTO v_overlap, v_same;
        IF v_overlap THEN
            RETURN QUERY VALUES (v_item.nspname::text, v_item.relname::text, v_same);
        END IF;
    END LOOP;
END $$;
COMMENT ON FUNCTION @schema@.frostline_overlapping_partitions(text, text, text, text)
    IS 'frostline @version@: the partitions that overlap a range';
