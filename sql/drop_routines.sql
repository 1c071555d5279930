-- Drops the routines of an earlier or of this version: those of the schema whose comment says that they are frostline's.
-- Those with the names and arguments of the list stay, to be replaced where they are, with their grants. One that something else
-- depends on is not dropped, and the transaction fails saying what that is.
DO $$
DECLARE
    v_item record;
BEGIN
    FOR v_item IN
        SELECT p.oid::pg_catalog.regprocedure AS signature
          FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
         WHERE n.nspname = @schema_literal@ AND pg_catalog.obj_description(p.oid, 'pg_proc') ~ '^frostline( [0-9a-f]+)?: '
           AND p.proname || (
                SELECT '(' || COALESCE(pg_catalog.string_agg(COALESCE(p.proargnames[i], '') || ' ' || pg_catalog.format_type(t, NULL), ', ' ORDER BY i), '') || ')'
                  FROM pg_catalog.unnest(COALESCE(p.proallargtypes, p.proargtypes::pg_catalog.oid[])) WITH ORDINALITY a(t, i))
               <> ALL (ARRAY[@keep@]::text[])
    LOOP
        EXECUTE pg_catalog.format('DROP ROUTINE %s', v_item.signature);
        RAISE NOTICE 'dropped %', v_item.signature;
    END LOOP;
END $$;
