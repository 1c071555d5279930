package postgres

// sequenceJSON is SQL for a DefSequence out of pg_sequence s, pg_class sc and pg_namespace sn.
const sequenceJSON = `jsonb_build_object('name', jsonb_build_object('schema', sn.nspname, 'table', sc.relname),
	'type', format_type(s.seqtypid, NULL), 'start', s.seqstart, 'increment', s.seqincrement, 'min', s.seqmin, 'max', s.seqmax,
	'cache', s.seqcache, 'cycle', s.seqcycle,
	'last', CASE WHEN has_sequence_privilege(sc.oid, 'USAGE') OR has_sequence_privilege(sc.oid, 'SELECT') THEN pg_sequence_last_value(sc.oid) END)`

// collationOf is SQL for the qualified collation $1 where it is not $2, the type's own.
func collationOf(collation, own string) string {
	return `(SELECT quote_ident(cn.nspname) || '.' || quote_ident(co.collname) FROM pg_collation co JOIN pg_namespace cn ON cn.oid = co.collnamespace
		WHERE co.oid = ` + collation + ` AND co.oid <> ` + own + `)`
}

// definitionSQL gives the parts of a Definition as JSON objects. Columns that only some versions have are read through to_jsonb.
func definitionSQL(version int) string {
	filter := "NULL"
	if version >= 150000 {
		filter = "pg_get_expr(pr.prqual, pr.prrelid)"
	}
	return `
WITH RECURSIVE up(oid, level) AS (
	SELECT $1::oid, 0
	UNION ALL
	SELECT i.inhparent, up.level + 1 FROM up JOIN pg_class c ON c.oid = up.oid AND c.relispartition JOIN pg_inherits i ON i.inhrelid = up.oid
), root AS (SELECT oid FROM up ORDER BY level DESC LIMIT 1),
cols AS (
	SELECT a.*, r.attnum AS num, r.attidentity AS ident, root.oid AS root, t.typcollation, t.typstorage
	FROM root JOIN pg_attribute r ON r.attrelid = root.oid AND r.attnum > 0 AND NOT r.attisdropped
	JOIN pg_attribute a ON a.attrelid = $1::oid AND a.attname = r.attname AND NOT a.attisdropped
	JOIN pg_type t ON t.oid = a.atttypid
),
used(oid, level) AS (
	SELECT atttypid, 0 FROM cols
	UNION
	SELECT sub.oid, used.level + 1 FROM used JOIN pg_type t ON t.oid = used.oid CROSS JOIN LATERAL (
		SELECT t.typbasetype WHERE t.typtype = 'd'
		UNION ALL SELECT t.typelem WHERE t.typlen = -1 AND t.typelem <> 0
		UNION ALL SELECT ra.rngsubtype FROM pg_range ra WHERE ra.rngtypid = t.oid
		UNION ALL SELECT ra.rngtypid FROM pg_range ra WHERE to_jsonb(ra)->>'rngmultitypid' = t.oid::text
		UNION ALL SELECT ca.atttypid FROM pg_attribute ca WHERE ca.attrelid = t.typrelid AND t.typtype = 'c' AND ca.attnum > 0 AND NOT ca.attisdropped
	) sub(oid) WHERE used.level < 32
)
SELECT jsonb_build_object(
	'name', jsonb_build_object('schema', n.nspname, 'table', c.relname), 'kind', c.relkind, 'persistence', c.relpersistence,
	'owner', pg_get_userbyid(c.relowner),
	'tablespace', (SELECT spcname FROM pg_tablespace WHERE oid = c.reltablespace),
	'access_method', (SELECT amname FROM pg_am WHERE oid = c.relam),
	'options', to_jsonb(c.reloptions), 'toast_options', (SELECT to_jsonb(reloptions) FROM pg_class WHERE oid = c.reltoastrelid),
	'comment', obj_description(c.oid, 'pg_class'),
	'row_security', c.relrowsecurity, 'force_row_security', c.relforcerowsecurity, 'replica_identity', c.relreplident,
	'key', ` + keyJSON("c.oid") + `,
	'bound', pg_get_expr(c.relpartbound, c.oid), 'constraint', pg_get_partition_constraintdef(c.oid)),
(SELECT jsonb_build_object('parent', jsonb_build_object('schema', pn.nspname, 'table', p.relname), 'parent_key', ` + keyJSON("p.oid") + `,
	'parent_constraint', pg_get_partition_constraintdef(p.oid),
	'root', (SELECT jsonb_build_object('schema', rn.nspname, 'table', rc.relname) FROM root JOIN pg_class rc ON rc.oid = root.oid
		JOIN pg_namespace rn ON rn.oid = rc.relnamespace))
	FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace pn ON pn.oid = p.relnamespace
	WHERE i.inhrelid = c.oid AND c.relispartition),
jsonb_build_object('columns', (SELECT jsonb_agg(jsonb_build_object('name', a.attname, 'attnum', a.num, 'type', format_type(a.atttypid, a.atttypmod),
	'collation', ` + collationOf("a.attcollation", "a.typcollation") + `, 'not_null', a.attnotnull,
	'default', pg_get_expr(d.adbin, d.adrelid), 'generated', a.attgenerated, 'identity', a.ident,
	'sequence', (SELECT ` + sequenceJSON + ` FROM pg_depend dep JOIN pg_class sc ON sc.oid = dep.objid AND sc.relkind = 'S'
		JOIN pg_sequence s ON s.seqrelid = sc.oid JOIN pg_namespace sn ON sn.oid = sc.relnamespace
		WHERE dep.classid = 'pg_class'::regclass AND dep.refclassid = 'pg_class'::regclass AND dep.refobjid = a.root AND dep.refobjsubid = a.num
			AND dep.deptype IN ('i', 'a') ORDER BY dep.deptype DESC LIMIT 1),
	'storage', CASE WHEN a.attstorage <> a.typstorage THEN a.attstorage::text END, 'compression', to_jsonb(a)->>'attcompression',
	'statistics', CASE WHEN a.attstattarget >= 0 THEN a.attstattarget END, 'options', to_jsonb(a.attoptions),
	'comment', col_description(a.attrelid, a.attnum)) ORDER BY a.num)
	FROM cols a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum)),
jsonb_build_object(
'constraints', (SELECT jsonb_agg(jsonb_build_object('name', k.conname, 'type', k.contype, 'def', pg_get_constraintdef(k.oid), 'validated', k.convalidated,
	'inherited', k.coninhcount > 0 OR k.conparentid <> 0, 'index', CASE WHEN k.contype IN ('p', 'u', 'x') THEN (SELECT relname FROM pg_class WHERE oid = k.conindid) END,
	'comment', obj_description(k.oid, 'pg_constraint')) ORDER BY k.contype, k.conname)
	FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype IN ('c', 'f', 'p', 'u', 'x')
		AND NOT EXISTS (SELECT 1 FROM pg_constraint same WHERE same.oid = k.conparentid AND same.conrelid = k.conrelid)),
'indexes', (SELECT jsonb_agg(jsonb_build_object('name', ic.relname, 'unique', x.indisunique,
	'body', ` + indexBody("ic", "x", "n", "c") + `,
	'constraint', k.conname, 'constraint_type', k.contype, 'constraint_def', pg_get_constraintdef(k.oid),
	'inherited', ic.relispartition, 'clustered', x.indisclustered, 'replica_identity', x.indisreplident, 'valid', x.indisvalid,
	'tablespace', (SELECT spcname FROM pg_tablespace WHERE oid = ic.reltablespace),
	'statistics', (SELECT jsonb_agg(jsonb_build_object('number', ia.attnum, 'target', ia.attstattarget) ORDER BY ia.attnum)
		FROM pg_attribute ia WHERE ia.attrelid = ic.oid AND ia.attstattarget >= 0),
	'comment', obj_description(ic.oid, 'pg_class')) ORDER BY ic.relname)
	FROM pg_index x JOIN pg_class ic ON ic.oid = x.indexrelid LEFT JOIN pg_constraint k ON k.conindid = ic.oid AND k.conrelid = c.oid AND k.contype IN ('p', 'u', 'x')
	WHERE x.indrelid = c.oid AND x.indislive),
'triggers', (SELECT jsonb_agg(jsonb_build_object('name', g.tgname, 'def', pg_get_triggerdef(g.oid), 'enabled', g.tgenabled,
	'function', g.tgfoid::regprocedure::text,
	'comment', obj_description(g.oid, 'pg_trigger')) ORDER BY g.tgname)
	FROM pg_trigger g WHERE g.tgrelid = c.oid AND NOT g.tgisinternal AND g.tgparentid = 0),
'policies', (SELECT jsonb_agg(jsonb_build_object('name', p.polname, 'permissive', p.polpermissive, 'command', p.polcmd,
	'roles', (SELECT jsonb_agg(pg_get_userbyid(r) ORDER BY 1) FROM unnest(p.polroles) r WHERE r <> 0),
	'using', pg_get_expr(p.polqual, p.polrelid), 'check', pg_get_expr(p.polwithcheck, p.polrelid)) ORDER BY p.polname)
	FROM pg_policy p WHERE p.polrelid = c.oid),
'grants', (SELECT jsonb_agg(jsonb_build_object('grantee', CASE g.grantee WHEN 0 THEN '' ELSE pg_get_userbyid(g.grantee)::text END,
	'privilege', g.privilege_type, 'grantable', g.is_grantable, 'column', g.col) ORDER BY g.col, g.grantee, g.privilege_type)
	FROM (SELECT e.*, '' AS col FROM aclexplode(c.relacl) e
		UNION ALL SELECT e.*, a.attname::text FROM pg_attribute a, aclexplode(a.attacl) e WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) g
	WHERE g.grantee <> c.relowner),
'statistics', (SELECT jsonb_agg(jsonb_build_object('name', jsonb_build_object('schema', sn.nspname, 'table', st.stxname),
	'def', pg_get_statisticsobjdef(st.oid), 'target', CASE WHEN st.stxstattarget >= 0 THEN st.stxstattarget END,
	'comment', obj_description(st.oid, 'pg_statistic_ext')) ORDER BY st.stxname)
	FROM pg_statistic_ext st JOIN pg_namespace sn ON sn.oid = st.stxnamespace WHERE st.stxrelid = c.oid),
'publications', (SELECT jsonb_agg(jsonb_build_object('name', p.pubname, 'filter', ` + filter + `,
	'columns', (SELECT jsonb_agg(a.attname ORDER BY a.attnum) FROM pg_attribute a
		WHERE a.attrelid = c.oid AND a.attnum::text = ANY (string_to_array(to_jsonb(pr)->>'prattrs', ' ')))) ORDER BY p.pubname)
	FROM pg_publication_rel pr JOIN pg_publication p ON p.oid = pr.prpubid WHERE pr.prrelid = c.oid),
'sequences', (SELECT jsonb_agg(DISTINCT ` + sequenceJSON + `) FROM pg_attrdef d JOIN pg_depend dep ON dep.classid = 'pg_attrdef'::regclass AND dep.objid = d.oid
	AND dep.refclassid = 'pg_class'::regclass JOIN pg_class sc ON sc.oid = dep.refobjid AND sc.relkind = 'S'
	JOIN pg_sequence s ON s.seqrelid = sc.oid JOIN pg_namespace sn ON sn.oid = sc.relnamespace WHERE d.adrelid = c.oid)),
jsonb_build_object(
'extensions', (SELECT jsonb_agg(DISTINCT e.extname) FROM used JOIN pg_depend dep ON dep.classid = 'pg_type'::regclass AND dep.objid = used.oid AND dep.deptype = 'e'
	JOIN pg_extension e ON e.oid = dep.refobjid),
'types', (SELECT jsonb_agg(jsonb_build_object('name', jsonb_build_object('schema', tn.nspname, 'table', t.typname), 'kind', t.typtype,
	'labels', (SELECT jsonb_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid),
	'base', CASE t.typtype WHEN 'd' THEN format_type(t.typbasetype, t.typtypmod)
		WHEN 'r' THEN (SELECT format_type(rngsubtype, NULL) FROM pg_range WHERE rngtypid = t.oid) END,
	'collation', CASE WHEN t.typtype = 'd' THEN ` + collationOf("t.typcollation", "(SELECT b.typcollation FROM pg_type b WHERE b.oid = t.typbasetype)") + ` END,
	'not_null', t.typnotnull, 'default', t.typdefault,
	'checks', (SELECT jsonb_agg('CONSTRAINT ' || quote_ident(k.conname) || ' ' || pg_get_constraintdef(k.oid) ORDER BY k.conname)
		FROM pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c'),
	'attributes', (SELECT jsonb_agg(jsonb_build_object('name', ca.attname, 'attnum', ca.attnum, 'type', format_type(ca.atttypid, ca.atttypmod),
		'collation', ` + collationOf("ca.attcollation", "(SELECT b.typcollation FROM pg_type b WHERE b.oid = ca.atttypid)") + `) ORDER BY ca.attnum)
		FROM pg_attribute ca WHERE ca.attrelid = t.typrelid AND t.typtype = 'c' AND ca.attnum > 0 AND NOT ca.attisdropped)
	) ORDER BY l.level DESC, t.oid)
	FROM (SELECT oid, max(level) AS level FROM used GROUP BY oid) l JOIN pg_type t ON t.oid = l.oid JOIN pg_namespace tn ON tn.oid = t.typnamespace
	WHERE t.typtype IN ('e', 'd', 'c', 'r') AND tn.nspname NOT IN ('pg_catalog', 'information_schema')
		AND NOT EXISTS (SELECT 1 FROM pg_depend dep WHERE dep.classid = 'pg_type'::regclass AND dep.objid = t.oid AND dep.deptype = 'e')))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1::oid`
}

// indexBody is SQL for an index definition from USING on: what follows the part that names the index and the table.
func indexBody(index, x, namespace, table string) string {
	prefix := `'CREATE ' || CASE WHEN ` + x + `.indisunique THEN 'UNIQUE ' ELSE '' END || 'INDEX ' || quote_ident(` + index + `.relname) || ' ON '
		|| CASE WHEN ` + index + `.relkind = 'I' THEN 'ONLY ' ELSE '' END || quote_ident(` + namespace + `.nspname) || '.' || quote_ident(` + table + `.relname) || ' '`
	return `substr(pg_get_indexdef(` + x + `.indexrelid), length(` + prefix + `) + 1)`
}
