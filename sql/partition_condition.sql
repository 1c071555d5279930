-- The WHERE condition for "column = value" of a table, typed by the column. For a date or a timestamp column the
-- value may also be a period: a year (2024), a month (2024-01) or, for a timestamp, a day (2024-01-31) or an hour
-- (2024-01-31 13). The periods of a timestamptz column are those of the session's TimeZone. NULL means IS NULL.
-- A value that does not fit the column's type is an error.
CREATE OR REPLACE FUNCTION @schema@.frostline_partition_condition(p_schema text, p_table text, p_column text, p_value text)
RETURNS text LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on AS $$
DECLARE
    v_type oid;
    v_name text;
    v_base oid;
    v_from timestamp;
    v_to   timestamp;
BEGIN
    SELECT a.atttypid, format_type(a.atttypid, -1) INTO v_type, v_name
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = p_schema AND c.relname = p_table AND a.attname = p_column AND a.attnum > 0 AND NOT a.attisdropped;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'table %.% has no column %', quote_ident(p_schema), quote_ident(p_table), quote_ident(p_column)
            USING ERRCODE = 'undefined_column';
    END IF;
    IF p_value IS NULL THEN
        RETURN format('%I IS NULL', p_column);
    END IF;
    v_base := v_type;
    WHILE (SELECT typtype = 'd' FROM pg_type WHERE oid = v_base) LOOP
        SELECT typbasetype INTO v_base FROM pg_type WHERE oid = v_base;
    END LOOP;
    IF v_base IN ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype) THEN
        IF p_value ~ '^\d{4}$' THEN
            v_from := (p_value || '-01-01')::timestamp;
            v_to := v_from + interval '1 year';
        ELSIF p_value ~ '^\d{4}-\d{2}$' THEN
            v_from := (p_value || '-01')::timestamp;
            v_to := v_from + interval '1 month';
        ELSIF p_value ~ '^\d{4}-\d{2}-\d{2}$' AND v_base <> 'date'::regtype THEN
            v_from := p_value::timestamp;
            v_to := v_from + interval '1 day';
        ELSIF p_value ~ '^\d{4}-\d{2}-\d{2}[ T]\d{2}$' AND v_base <> 'date'::regtype THEN
            v_from := (p_value || ':00')::timestamp;
            v_to := v_from + interval '1 hour';
        END IF;
        IF v_from IS NOT NULL THEN
            RETURN format('%1$I >= %2$L::%4$s AND %1$I < %3$L::%4$s', p_column, v_from, v_to, v_name);
        END IF;
    END IF;
    -- The cast is made once here, so that a wrong value fails before any work.
    EXECUTE format('SELECT CAST(%L AS %s)', p_value, v_name);
    RETURN format('%I = CAST(%L AS %s)', p_column, p_value, v_name);
END $$;
COMMENT ON FUNCTION @schema@.frostline_partition_condition(text, text, text, text)
    IS 'frostline @version@: the typed WHERE condition of a partition value';
