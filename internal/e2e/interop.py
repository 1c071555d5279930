"""Reads an archived table with PyIceberg and its data files with DuckDB, and compares with what PostgreSQL has.

Usage: interop.py JOB.json    (the job is written by interop_test.go; exit code 1 and the differences on a mismatch)
"""

import copy
import json
import re
import struct
import sys
import tempfile
import uuid
from datetime import date, datetime, time, timezone
from decimal import Decimal
from pathlib import Path

import duckdb
from pyiceberg import expressions as ex
from pyiceberg.table import StaticTable

EXACT = "_pg_exact"
DUCKDB_TYPES = {
    "boolean": "BOOLEAN", "int": "INTEGER", "long": "BIGINT", "float": "FLOAT", "double": "DOUBLE", "string": "VARCHAR", "binary": "BLOB",
    "uuid": "UUID", "date": "DATE", "time": "TIME", "timestamp": "TIMESTAMP", "timestamptz": "TIMESTAMP WITH TIME ZONE",
}


def element(typ):
    return typ[len("list<"):-1] if typ.startswith("list<") else None


def moment(text):
    """A timestamp or time of day as PostgreSQL prints it, in a form that every Python's fromisoformat takes."""
    text = re.sub(r"([+-]\d\d)$", r"\1:00", text)
    return re.sub(r"\.(\d+)", lambda m: "." + m[1].ljust(6, "0"), text)


def parse(typ, text):
    """The Python value of a text that PostgreSQL printed."""
    if text is None:
        return None
    if element(typ):
        return [parse(element(typ), e) for e in text]
    if typ == "boolean":
        return {"t": True, "f": False, "true": True, "false": False}[text]
    if typ in ("int", "long"):
        return int(text)
    if typ == "float":
        return struct.unpack("<f", struct.pack("<f", float(text)))[0]
    if typ == "double":
        return float(text)
    if typ.startswith("decimal"):
        return Decimal(text)
    if typ == "binary":
        return bytes.fromhex(text.removeprefix("\\x"))
    if typ == "uuid":
        return uuid.UUID(text)
    if typ == "date":
        return date.fromisoformat(text)
    if typ == "time":
        return time.fromisoformat(moment(text))
    if typ == "timestamp":
        return datetime.fromisoformat(moment(text))
    if typ == "timestamptz":
        return datetime.fromisoformat(moment(text)).astimezone(timezone.utc)
    assert typ == "string", typ
    return text


def plain(typ, value):
    """What a reader gave, in Python's own types; only representation changes, never a value."""
    if value is None:
        return None
    if element(typ):
        return [plain(element(typ), e) for e in value]
    if typ == "uuid" and isinstance(value, str):  # DuckDB's way over Arrow
        return uuid.UUID(value)
    if typ == "uuid" and isinstance(value, bytes):
        return uuid.UUID(bytes=value)
    return value


def same(a, b):
    if type(a) is not type(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float):
        return a != a and b != b or struct.pack("<d", a) == struct.pack("<d", b)
    if isinstance(a, Decimal):
        return a.as_tuple() == b.as_tuple()
    if isinstance(a, datetime):
        return a == b and a.utcoffset() == b.utcoffset()
    return a == b


def compare(columns, want, got):
    """The differences of two tables (column → values, by id) as texts."""
    out = []
    for name in columns:
        if len(want[name]) != len(got[name]):
            out.append(f"{name}: {len(want[name])} rows expected, {len(got[name])} read")
            continue
        out += [f"{name}, id {want['id'][i]}: PostgreSQL has {w!r:.200}, the reader {g!r:.200}"
                for i, (w, g) in enumerate(zip(want[name], got[name])) if not same(w, g)]
    return out


def other(typ, value):
    """A value that is not this one, but near."""
    if value is None:
        return parse("list<int>", []) if element(typ) else {"string": "", "binary": b""}.get(typ, 0)
    if isinstance(value, bool):
        return not value
    if isinstance(value, list):
        return value + [None]
    if isinstance(value, dict):
        return {**value, "x": "y"}
    if isinstance(value, (str, bytes)):
        return value + value[:1] if value else value + (b" " if isinstance(value, bytes) else " ")
    if isinstance(value, float):
        return 1.5 if value != 1.5 else 2.5
    if isinstance(value, Decimal):
        return value.copy_negate() if value else Decimal(1)
    if isinstance(value, uuid.UUID):
        return uuid.UUID(int=value.int ^ 1)
    if isinstance(value, time):
        return value.replace(microsecond=value.microsecond ^ 1)
    if isinstance(value, datetime):
        return value.replace(microsecond=value.microsecond ^ 1)
    if isinstance(value, date):
        return value.replace(day=value.day ^ 1 or 2)
    return value ^ 1


def shown_to_see(columns, want, got):
    """One changed value in each column, one by one, must each be found, and nothing else."""
    for n, name in enumerate(columns):
        row = (n * 31) % len(want["id"])
        changed = {**want, name: list(want[name])}
        changed[name][row] = other(columns[name], want[name][row])
        found = compare(columns, changed, got)
        if len(found) != 1 or not found[0].startswith(f"{name}, id "):
            sys.exit(f"the comparison does not see a changed value of {name} in row {row}: {found}")


def by_id(table, columns):
    """Column → values, in the order of id."""
    table = table.sort_by("id")
    out = {name: [plain(typ, v) for v in table.column(name).to_pylist()] for name, typ in columns.items() if name != EXACT}
    out[EXACT] = [dict(v) if v else {} for v in table.column(EXACT).to_pylist()]
    return out


def expression(types, f):
    op, args = f[0], f[1:]
    if op in ("and", "or"):
        return {"and": ex.And, "or": ex.Or}[op](*(expression(types, a) for a in args))
    name, values = args[0], [parse(types[args[0]], a) for a in args[1:]]
    term = ex.Reference(name)
    if op in ("in", "notin"):
        return {"in": ex.In, "notin": ex.NotIn}[op](term, values)
    return {
        "=": ex.EqualTo, "!=": ex.NotEqualTo, "<": ex.LessThan, "<=": ex.LessThanOrEqual, ">": ex.GreaterThan, ">=": ex.GreaterThanOrEqual,
        "isnull": ex.IsNull, "notnull": ex.NotNull, "isnan": ex.IsNaN, "startswith": ex.StartsWith,
    }[op](term, *values)


def partition(location):
    """The folder of the archive path that a data file lies in."""
    return location.split("/data/")[0].rsplit("/", 1)[1]


def check_counts(table, types, counts):
    out = []
    for c in counts:
        scan = table.scan(row_filter=expression(types, c["filter"]), selected_fields=("id",))
        rows = scan.to_arrow().num_rows
        if rows != c["count"]:
            out.append(f"{c['sql']}: PostgreSQL counts {c['count']}, PyIceberg {rows}")
        planned = sorted({partition(f.file.file_path) for f in scan.plan_files()})
        if "partitions" in c and planned != c["partitions"]:
            out.append(f"{c['sql']}: PyIceberg plans files of {planned}, not of {c['partitions']}")
    return out


def check_schema(table, columns):
    got = {f.name: str(f.field_type) for f in table.schema().fields}
    want = {**columns, EXACT: "map<string, string>"}
    return [f"field {n}: type {want.get(n)} expected, {got.get(n)} found" for n in {**want, **got} if want.get(n) != got.get(n)]


def local(table, paths, folder):
    """Paths on this machine of the data files."""
    out = []
    for n, location in enumerate(paths):
        if location.startswith("file:"):
            out.append(location.removeprefix("file://"))
            continue
        out.append(str(Path(folder, f"{n}.parquet")))
        with table.io.new_input(location).open() as source:
            Path(out[-1]).write_bytes(source.read())
    return out


def duckdb_type(typ):
    if element(typ):
        return duckdb_type(element(typ)) + "[]"
    return DUCKDB_TYPES.get(typ) or typ.upper().replace(" ", "")


def read_duckdb(paths, columns):
    con = duckdb.connect()
    # DuckDB takes the folder "at=2024-01" for a Hive partition, and a filter on that column then compares the folder's text.
    rel = con.read_parquet(paths, hive_partitioning=False)
    got = dict(zip(rel.columns, map(str, rel.types)))
    want = {n: duckdb_type(t) for n, t in columns.items() if n != EXACT}
    want[EXACT] = "MAP(VARCHAR, VARCHAR)"
    bad = [f"DuckDB column {n}: type {want.get(n)} expected, {got.get(n)} found" for n in {**want, **got} if want.get(n) != got.get(n)]
    return rel.to_arrow_table(), bad


def main():
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    types = {c["field"]: c["type"] for c in job["columns"]}
    want = {c["field"]: [parse(c["type"], row[n]) for row in job["rows"]] for n, c in enumerate(job["columns"])}
    want[EXACT] = job["exact"]
    columns = {**types, EXACT: EXACT}

    table = StaticTable.from_metadata(job["metadata"], properties=job["properties"])
    bad = check_schema(table, types)
    read = by_id(table.scan().to_arrow(), columns)
    bad += compare(columns, want, read)
    bad += check_counts(table, types, job["counts"])
    if not bad:
        shown_to_see(columns, want, read)
        wrong = copy.deepcopy(job["counts"][-1:])
        wrong[0]["count"] += 1
        if not check_counts(table, types, wrong):
            sys.exit("a wrong count is not seen")

    paths = sorted(f.file.file_path for f in table.scan().plan_files())
    with tempfile.TemporaryDirectory() as folder:
        arrow, wrong = read_duckdb(local(table, paths, folder), columns)
        bad += wrong
        read = by_id(arrow, columns)
        differ = compare(columns, want, read)
        bad += [f"DuckDB: {d}" for d in differ]
        if not differ:
            shown_to_see(columns, want, read)
    if bad:
        sys.exit(f"{len(bad)} differences\n" + "\n".join(bad[::1 + len(bad) // 40]))
    cells = sum(len(e) for e in job["exact"])
    print(f"{job['table']}: {len(job['rows'])} rows, {len(types)} columns, {cells} exact cells, {len(job['counts'])} filters, {len(paths)} files: "
          f"equal in PyIceberg and DuckDB")


main()
