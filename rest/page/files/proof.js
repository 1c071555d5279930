// The archive record of a partition: what was archived, from where, and what proves the copy.

import {get} from "./api.js"
import {byId, bytes, count, el} from "./dom.js"

const facts = (...pairs) => el("dl", {}, ...pairs.filter(([, v]) => v !== undefined && v !== null && v !== "")
  .flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, typeof value === "object" ? value : el("code", {}, String(value)))]))

const table = (caption, heads, rows) => el("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": caption}, el("table", {}, el("caption", {class: "hidden"}, caption),
  el("thead", {}, el("tr", {}, ...heads.map(h => el("th", {scope: "col"}, h)))), el("tbody", {}, ...rows)))

const relation = r => r && `${r.schema}.${r.table}`

// showProof asks for the record and opens the dialog.
export async function showProof(partition) {
  const r = await get("record", {archivePath: partition.archivePath})
  byId("proof-title").textContent = `Proof of ${r.partition ?? partition.name}`
  const files = r.files ?? [], columns = r.columns ?? []
  byId("proof-body").replaceChildren(
    el("h3", {}, "The copy"),
    facts(["Digest", r.digest], ["Rows", count(r.total_records)], ["Files", `${count(files.length)}, ${bytes(files.reduce((n, f) => n + f.bytes, 0))}`],
      ["Archived at", r.archived_at], ["Snapshot", r.iceberg_snapshot_id], ["Run", r.run_id], ["Written by", r.tool_version]),
    el("h3", {}, "The source"),
    facts(["Table", relation(r.source_table)], ["Read from", relation(r.leaf)], ["Partition key", r.partition_key], ["Bounds", r.partition_bounds], ["Server", r.server_version],
      ["LSN", r.source_lsn], ["Snapshot time", r.source_snapshot_time], ["Primary key", (r.primary_key_columns ?? []).join(", ")], ["Selection", r.selection]),
    el("h3", {}, "Files"),
    table("Files and their checksums", ["File", "Rows", "Size", "SHA-256"], files.map(f => el("tr", {}, el("td", {}, f.path), el("td", {class: "number"}, count(f.rows)), el("td", {class: "number"}, bytes(f.bytes)), el("td", {}, f.sha256)))),
    el("h3", {}, "Columns"),
    table("Columns in PostgreSQL", ["Column", "Type", "NULL", "Default"], columns.map(c => el("tr", {}, el("th", {scope: "row"}, c.column_name), el("td", {}, c.data_type), el("td", {}, c.is_nullable), el("td", {}, c.column_default ?? "")))),
    el("details", {}, el("summary", {}, "Definition in PostgreSQL"), el("pre", {tabindex: "0"}, JSON.stringify(r.definition ?? {}, null, 2))),
    el("details", {}, el("summary", {}, "The whole record"), el("pre", {tabindex: "0"}, JSON.stringify(r, null, 2))))
  byId("proof").showModal()
  byId("proof").scrollTop = 0
}
