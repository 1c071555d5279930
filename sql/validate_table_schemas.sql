-- Compares two tables: the number of columns, each column's type, and its nullability. A column that one side lacks
-- is a row with NULL on that side and is_valid false.
CREATE OR REPLACE FUNCTION @schema@.validate_table_schemas(
    p_source_schema text, p_source_table text, p_target_schema text, p_target_table text)
RETURNS TABLE (validation_type text, column_name text, source_value text, target_value text, is_valid boolean)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_source oid;
    v_target oid;
BEGIN
    SELECT c.oid INTO v_source FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = p_source_schema AND c.relname = p_source_table AND c.relkind IN ('r', 'p', 'f');
    IF NOT FOUND THEN
        RAISE EXCEPTION 'validate: table %.% does not exist', quote_ident(p_source_schema), quote_ident(p_source_table)
            USING ERRCODE = 'undefined_table';
    END IF;
    SELECT c.oid INTO v_target FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = p_target_schema AND c.relname = p_target_table AND c.relkind IN ('r', 'p', 'f');
    IF NOT FOUND THEN
        RAISE EXCEPTION 'validate: table %.% does not exist', quote_ident(p_target_schema), quote_ident(p_target_table)
            USING ERRCODE = 'undefined_table';
    END IF;

    RETURN QUERY
    WITH cols AS (
        SELECT a.attrelid, a.attname::text AS name, a.attnum, format_type(a.atttypid, a.atttypmod) AS type,
               CASE WHEN a.attnotnull THEN 'NOT NULL' ELSE 'NULL' END AS nullability
          FROM pg_attribute a
         WHERE a.attrelid IN (v_source, v_target) AND a.attnum > 0 AND NOT a.attisdropped
    ), pairs AS (
        SELECT COALESCE(s.name, t.name) AS name, COALESCE(s.attnum, t.attnum) AS place, s.attnum IS NULL AS extra,
               s.type AS s_type, t.type AS t_type, s.nullability AS s_null, t.nullability AS t_null
          FROM (SELECT * FROM cols WHERE attrelid = v_source) s
          FULL JOIN (SELECT * FROM cols WHERE attrelid = v_target) t ON t.name = s.name
    ), report AS (
        SELECT 0 AS part, 0 AS place, false AS extra, 'column_count' AS kind, NULL::text AS name,
               (SELECT count(*) FROM cols WHERE attrelid = v_source)::text AS s,
               (SELECT count(*) FROM cols WHERE attrelid = v_target)::text AS t
        UNION ALL SELECT 1, place, extra, 'data_type', name, s_type, t_type FROM pairs
        UNION ALL SELECT 2, place, extra, 'nullability', name, s_null, t_null FROM pairs
    )
    SELECT r.kind, r.name, r.s, r.t, (r.s IS NOT DISTINCT FROM r.t)
      FROM report r ORDER BY r.part, r.extra, r.place;
END $$;
COMMENT ON FUNCTION @schema@.validate_table_schemas(text, text, text, text)
    IS 'frostline @version@: column count, types and nullability of two tables';
