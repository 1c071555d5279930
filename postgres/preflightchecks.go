package postgres

// upSQL is the relation $1 and the tables that it is a partition of, level by level.
const upSQL = `up(oid, level, nspname, relname, relowner, relrowsecurity) AS (
	SELECT c.oid, 0, n.nspname, c.relname, c.relowner, c.relrowsecurity FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1::oid
	UNION ALL
	SELECT p.oid, level + 1, n.nspname, p.relname, p.relowner, p.relrowsecurity FROM up JOIN pg_class c ON c.oid = up.oid AND c.relispartition
		JOIN pg_inherits i ON i.inhrelid = up.oid JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace n ON n.oid = p.relnamespace
)`

// checkedSQL is what the checks read: up, the relation itself as rel, the leaves that a query of it reads as tree, its place under its parent as place, and the locks that other
// transactions have on up as held. A prepared transaction has no process; age is NULL where this role may not know it.
const checkedSQL = `WITH RECURSIVE ` + upSQL + `,
rel AS (SELECT c.*, c.oid AS relation, n.nspname, n.nspname || '.' || c.relname AS plain FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1::oid),
tree AS (SELECT c.*, n.nspname || '.' || c.relname AS plain FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE c.relkind <> 'p' AND c.oid IN (SELECT $1::oid UNION SELECT relid::oid FROM pg_partition_tree($1::oid::regclass))),
place AS (SELECT rel.*, i.inhparent, k.partdefid, k.partstrat, up.nspname || '.' || up.relname AS parent, coalesce((to_jsonb(i)->>'inhdetachpending')::bool, false) AS pending
	FROM rel JOIN pg_inherits i ON i.inhrelid = rel.relation JOIN pg_partitioned_table k ON k.partrelid = i.inhparent JOIN up ON up.oid = i.inhparent WHERE rel.relispartition),
held AS (SELECT up.oid, up.level, up.nspname || '.' || up.relname AS plain, l.mode, l.granted, x.gid, now() - coalesce(a.xact_start, x.prepared) AS age,
		coalesce('prepared transaction ' || quote_literal(x.gid), 'process ' || l.pid || coalesce(' (' || nullif(a.application_name, '') || ')', '')) AS holder
	FROM up JOIN pg_locks l ON l.relation = up.oid AND l.locktype = 'relation' AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
	LEFT JOIN pg_stat_activity a ON a.pid = l.pid
	LEFT JOIN pg_locks k ON l.pid IS NULL AND k.pid IS NULL AND k.locktype = 'transactionid' AND k.mode = 'ExclusiveLock' AND k.virtualtransaction = l.virtualtransaction
	LEFT JOIN pg_prepared_xacts x ON x.transaction = k.transactionid
	WHERE l.pid IS DISTINCT FROM pg_backend_pid() AND coalesce(a.backend_type, 'client backend') <> 'autovacuum worker')
`

// check is a query of (object, detail) whose every row is a finding; {object} and {detail} stand for them in its text.
type check struct {
	finding Finding
	drop    bool // an error only when a drop is planned
	sql     string
}

var checks = []check{
	// What cannot be copied.
	{sql: `SELECT plain, '' FROM tree WHERE relpersistence = 't'`, finding: Finding{Severity: Error, About: AboutArchive, Code: "temporary",
		Means: "it is a temporary table of one session", Do: "copy it into a table of its own first"}},
	{sql: `SELECT plain, '' FROM tree WHERE relpersistence = 'u'`, finding: Finding{Severity: Error, About: AboutArchive, Code: "unlogged",
		Means: "it is UNLOGGED: a crash empties it and replicas have none of it, so an equal digest proves little", Do: "ALTER TABLE … SET LOGGED first"}},
	{sql: `SELECT plain, s.srvname FROM tree JOIN pg_foreign_table f ON f.ftrelid = tree.oid JOIN pg_foreign_server s ON s.oid = f.ftserver`,
		finding: Finding{Severity: Error, About: AboutArchive, Code: "foreign-table",
			Means: "its rows live on the foreign server {detail}, which gives no snapshot of them", Do: "archive it where its rows are"}},
	{sql: `SELECT plain, string_agg(i.inhrelid::regclass::text, ', ' ORDER BY i.inhrelid::regclass::text) FROM rel JOIN pg_inherits i ON i.inhparent = relation WHERE relkind = 'r' GROUP BY plain`,
		finding: Finding{Severity: Error, About: AboutArchive, Code: "inheritance-children",
			Means: "other tables inherit from it ({detail}), and a query of it shows their rows too, which an archive of it alone would miss", Do: "archive each child as a table of its own, or partition the table"}},
	{sql: `SELECT plain, '' FROM rel WHERE row_security_active(relation)`, finding: Finding{Severity: Error, About: AboutArchive, Code: "row-security", Kind: ErrPrivilege,
		Means: "row security applies to this role: rows may be hidden from it, so PostgreSQL refuses the copy (row_security is off)", Do: "connect as the owner (without FORCE ROW LEVEL SECURITY) or as a role with BYPASSRLS"}},
	{sql: `SELECT nspname, plain FROM rel WHERE NOT has_schema_privilege(relnamespace, 'USAGE')`, finding: Finding{Severity: Error, About: AboutArchive, Code: "no-usage", Kind: ErrPrivilege,
		Means: "this role may not use the schema of {detail}", Do: "GRANT USAGE ON SCHEMA {object} to it"}},
	{sql: `SELECT plain, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM rel JOIN pg_attribute a ON a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped
			WHERE NOT has_table_privilege(relation, 'SELECT') AND NOT has_column_privilege(relation, a.attnum, 'SELECT') GROUP BY plain`,
		finding: Finding{Severity: Error, About: AboutArchive, Code: "no-select", Kind: ErrPrivilege,
			Means: "this role may not read the columns {detail}", Do: "GRANT SELECT ON {object} to it; a privilege on the parent does not reach a partition that is read by itself"}},

	// What may make a copy fail, or not hold what one expects.
	{sql: `SELECT 'this server', '' WHERE pg_is_in_recovery()`, finding: Finding{Severity: Warning, About: AboutArchive, Code: "replica",
		Means: "it is a replica: what it has not replayed yet is not archived, and replay may cancel a long copy", Do: "set hot_standby_feedback, or max_standby_streaming_delay longer than the copy takes"}},
	{sql: `SELECT 'this database', '' WHERE current_setting('server_encoding') = 'SQL_ASCII'`, finding: Finding{Severity: Warning, About: AboutArchive, Code: "sql-ascii",
		Means: "its encoding SQL_ASCII checks nothing: PostgreSQL refuses to send text that is not UTF-8, and the copy fails", Do: "correct that text first"}},
	{sql: `SELECT 'this server', current_setting('old_snapshot_threshold', true) WHERE coalesce(current_setting('old_snapshot_threshold', true), '-1') <> '-1'`,
		finding: Finding{Severity: Warning, About: AboutArchive, Code: "old-snapshot-threshold", Means: "old_snapshot_threshold is {detail}: a copy that takes longer ends in \"snapshot too old\"", Do: "set it to -1"}},
	{sql: `SELECT DISTINCT plain, holder FROM held WHERE level = 0 AND granted AND mode = 'RowExclusiveLock'`, finding: Finding{Severity: Warning, About: AboutArchive, Code: "being-written",
		Means: "{detail} has it open for writing: rows that it has not committed are not archived", Do: "archive it when nobody writes to it any more"}},
	{sql: `SELECT DISTINCT plain, holder FROM held WHERE level = 0 AND mode = 'AccessExclusiveLock'`, finding: Finding{Severity: Warning, About: AboutArchive, Code: "locked",
		Means: "{detail} holds or awaits ACCESS EXCLUSIVE on it: the copy waits behind that", Do: "wait for it to end"}},
	{sql: `SELECT plain, string_agg(quote_ident(c.relname), ', ' ORDER BY c.relname) FROM rel JOIN pg_index x ON x.indrelid = relation AND NOT (x.indisvalid AND x.indisready) JOIN pg_class c ON c.oid = x.indexrelid GROUP BY plain`,
		finding: Finding{Severity: Warning, About: AboutArchive, Code: "invalid-index", Means: "its indexes {detail} are invalid, and a restore makes them valid or leaves them out", Do: "REINDEX or drop them"}},
	{sql: `SELECT plain, m.amname FROM rel JOIN pg_am m ON m.oid = relam WHERE relkind = 'r' AND m.amname <> 'heap'`, finding: Finding{Severity: Warning, About: AboutArchive, Code: "access-method",
		Means: "its rows are kept by the access method {detail}: one connection reads it all, and a restore needs that access method"}},
	{sql: `SELECT plain, '' FROM tree WHERE reltuples < 0`, finding: Finding{Severity: Info, About: AboutArchive, Code: "never-analysed",
		Means: "it was never analysed: how many rows it has is not known", Do: "ANALYZE it"}},
	{sql: `SELECT plain, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM rel JOIN pg_attribute a ON a.attrelid = relation AND a.attgenerated <> '' AND NOT a.attisdropped GROUP BY plain`,
		finding: Finding{Severity: Info, About: AboutArchive, Code: "generated-columns", Means: "the generated columns {detail} are archived, and computed anew by a restore"}},
	{sql: `SELECT nspname || '.' || relname, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM (SELECT * FROM up ORDER BY level DESC LIMIT 1) AS root
			JOIN pg_attribute a ON a.attrelid = root.oid AND a.attidentity <> '' AND NOT a.attisdropped GROUP BY nspname, relname`,
		finding: Finding{Severity: Info, About: AboutArchive, Code: "identity-columns", Means: "the identity columns {detail} keep their values; a restore sees to it that the sequence is past them"}},
	{sql: `SELECT nspname || '.' || relname, '' FROM up WHERE relrowsecurity AND (level > 0 OR NOT row_security_active(oid))`, finding: Finding{Severity: Info, About: AboutArchive, Code: "row-security-lost",
		Means: "it has row security, which does not apply to this role: all rows are archived, and readers of the archive see them all"}},
	{sql: `SELECT plain, CASE relreplident WHEN 'f' THEN 'FULL' WHEN 'n' THEN 'NOTHING' ELSE 'USING INDEX' END FROM rel WHERE relkind = 'r' AND relreplident <> 'd'`,
		finding: Finding{Severity: Info, About: AboutArchive, Code: "replica-identity", Means: "its replica identity is {detail}: it is in the record and comes back with a restore"}},

	// What stands in the way of detach and drop.
	{sql: `SELECT CASE WHEN pg_is_in_recovery() THEN 'this server' ELSE 'this session' END, CASE WHEN pg_is_in_recovery() THEN 'it is a replica' ELSE 'default_transaction_read_only is on' END
			WHERE current_setting('transaction_read_only') = 'on'`,
		finding: Finding{Severity: Error, About: AboutRetire, Code: "read-only", Means: "{detail}: nothing can be detached here", Do: "retire on the primary, as a role that may write"}},
	{sql: `SELECT nspname || '.' || relname, pg_get_userbyid(relowner) FROM up WHERE level < 2 AND NOT pg_has_role(relowner, 'USAGE')`, finding: Finding{Severity: Error, About: AboutRetire, Code: "not-owner", Kind: ErrPrivilege,
		Means: "only its owner {detail} may detach and drop", Do: "connect as a member of that role: GRANT {detail} to this one"}},
	{sql: `SELECT o.plain, o.parent FROM (SELECT i.inhrelid::regclass::text AS plain, place.parent FROM place JOIN pg_inherits i ON i.inhparent = place.inhparent AND i.inhrelid <> relation
			AND coalesce((to_jsonb(i)->>'inhdetachpending')::bool, false)) AS o`,
		finding: Finding{Severity: Error, About: AboutRetire, Code: "another-detach-pending", Kind: ErrHalfDetached, Means: "its own detach from {detail} was interrupted, and only one at a time is possible", Do: "finish it: ALTER TABLE {detail} DETACH PARTITION {object} FINALIZE"}},
	{sql: `SELECT DISTINCT plain, holder FROM held WHERE granted AND gid IS NOT NULL`, finding: Finding{Severity: Error, About: AboutRetire, Code: "prepared-transaction",
		Means: "{detail} holds a lock on it until somebody ends it", Do: "COMMIT PREPARED or ROLLBACK PREPARED it"}},
	{drop: true, sql: `SELECT plain, pg_describe_object(d.classid, d.objid, d.objsubid) FROM rel JOIN pg_depend d ON d.deptype = 'n' AND
				(d.refclassid = 'pg_class'::regclass AND d.refobjid = relation OR d.refclassid = 'pg_type'::regclass AND d.refobjid IN (reltype, (SELECT typarray FROM pg_type t WHERE t.oid = reltype)))
			WHERE d.classid IN ('pg_rewrite'::regclass, 'pg_proc'::regclass, 'pg_policy'::regclass, 'pg_class'::regclass, 'pg_type'::regclass)
				AND NOT EXISTS (SELECT FROM pg_inherits i WHERE d.classid = 'pg_class'::regclass AND i.inhrelid = d.objid AND i.inhparent = relation)
				AND NOT EXISTS (SELECT FROM pg_rewrite w WHERE d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid AND w.ev_class = relation)
				AND NOT EXISTS (SELECT FROM pg_policy y WHERE d.classid = 'pg_policy'::regclass AND y.oid = d.objid AND y.polrelid = relation)
			GROUP BY 1, 2
			UNION ALL SELECT plain, pg_describe_object(u.classid, u.objid, u.objsubid) FROM rel
				JOIN pg_depend s ON s.refclassid = 'pg_class'::regclass AND s.refobjid = relation AND s.classid = 'pg_class'::regclass AND s.deptype = 'a' AND s.refobjsubid > 0
				JOIN pg_class q ON q.oid = s.objid AND q.relkind = 'S'
				JOIN pg_depend u ON u.refclassid = 'pg_class'::regclass AND u.refobjid = q.oid AND u.deptype = 'n' AND u.classid = 'pg_attrdef'::regclass
				JOIN pg_attrdef f ON f.oid = u.objid AND f.adrelid <> relation`,
		finding: Finding{Severity: Error, About: AboutRetire, Code: "dependents", Means: "{detail} depends on the partition: the drop fails", Do: "drop or change that first, or use --retire detach"}},

	// What one should know before retiring.
	{sql: `SELECT plain, '' FROM place WHERE pending`, finding: Finding{Severity: Warning, About: AboutRetire, Code: "detach-pending",
		Means: "its detach was interrupted: queries of the table do not see its rows any more", Do: "--retire finishes it (FINALIZE)"}},
	{sql: `SELECT plain, parent FROM place WHERE partdefid = relation`, finding: Finding{Severity: Warning, About: AboutRetire, Code: "is-default",
		Means: "it is the DEFAULT partition: without it an INSERT that no partition takes fails, and CONCURRENTLY is not possible", Do: "archive it, and retire only when another takes its place"}},
	{sql: `SELECT d.oid::regclass::text, parent FROM place JOIN pg_class d ON d.oid = partdefid WHERE partdefid <> relation`, finding: Finding{Severity: Warning, About: AboutRetire, Code: "default-partition",
		Means: "beside this DEFAULT partition DETACH CONCURRENTLY is not possible: a plain DETACH locks {detail} for a moment, and readers wait for at most the lock timeout; late rows go to the DEFAULT then, where a later restore must scan for them"}},
	{sql: `SELECT plain, parent FROM place WHERE partstrat = 'h'`, finding: Finding{Severity: Warning, About: AboutRetire, Code: "hash-partition",
		Means: "it is a hash partition of {detail}: without it every INSERT of its share fails", Do: "archive without --retire"}},
	{sql: `SELECT plain, holder || CASE WHEN age IS NULL THEN '' ELSE ' since ' || date_trunc('second', age) END || ' (' || string_agg(mode, ', ' ORDER BY mode) || ')' FROM held
			WHERE granted AND gid IS NULL AND (age > interval '30 seconds' OR age IS NULL AND mode <> 'AccessShareLock') GROUP BY plain, holder, age`,
		finding: Finding{Severity: Warning, About: AboutRetire, Code: "long-transaction", Means: "{detail} holds a lock on it: the detach waits for its end, and gives up after the lock timeout and its retries", Do: "end that transaction"}},
	{sql: `SELECT nspname || '.' || relname, string_agg(quote_ident(t.tgname), ', ' ORDER BY t.tgname) FROM up JOIN pg_trigger t ON t.tgrelid = up.oid
			WHERE NOT t.tgisinternal AND t.tgtype & 40 <> 0 AND coalesce(to_jsonb(t)->>'tgparentid', '0') = '0' GROUP BY nspname, relname`,
		finding: Finding{Severity: Warning, About: AboutRetire, Code: "delete-triggers", Means: "its DELETE or TRUNCATE triggers {detail} do not fire when a partition is detached or dropped", Do: "do by hand what they do"}},
	{sql: `SELECT nspname || '.' || relname, string_agg(quote_ident(t.tgname), ', ' ORDER BY t.tgname) FROM up JOIN pg_trigger t ON t.tgrelid = up.oid
			WHERE NOT t.tgisinternal AND t.tgtype & 40 = 0 AND coalesce(to_jsonb(t)->>'tgparentid', '0') = '0' GROUP BY nspname, relname`,
		finding: Finding{Severity: Info, About: AboutRetire, Code: "triggers", Means: "its triggers {detail} do not fire on archive, detach or restore; the partition's own are in the record"}},
	{sql: `SELECT 'event trigger ' || quote_ident(evtname), evtevent FROM pg_event_trigger WHERE evtenabled <> 'D' AND evtevent IN ('ddl_command_start', 'ddl_command_end', 'sql_drop')`,
		finding: Finding{Severity: Warning, About: AboutRetire, Code: "event-trigger", Means: "it fires at {detail}, and may refuse the detach or the drop", Do: "try the retirement on a copy of the table first, or have its owner let it pass"}},
	{sql: `SELECT quote_ident(p.pubname), string_agg(DISTINCT p.schemaname || '.' || p.tablename, ', ') FROM pg_publication_tables p JOIN up ON up.nspname = p.schemaname AND up.relname = p.tablename GROUP BY p.pubname`,
		finding: Finding{Severity: Warning, About: AboutRetire, Code: "publication", Means: "it publishes {detail}: a detach or drop is not replicated, so subscribers keep the rows", Do: "detach the partition there too, and refresh the subscriptions after a restore"}},
	{sql: `SELECT plain, string_agg(DISTINCT k.confrelid::regclass::text, ', ') FROM rel JOIN pg_constraint k ON k.conrelid = relation AND k.contype = 'f' GROUP BY plain`,
		finding: Finding{Severity: Info, About: AboutRetire, Code: "outbound-foreign-key", Means: "its foreign keys refer to {detail}: the drop locks those for a moment, under the lock timeout"}},
}
