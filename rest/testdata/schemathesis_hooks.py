# What the document cannot say: which archives, columns and filters there are, and that a request of the right form is refused
# with 400 only for what it asks, never for its form.
import atexit
import collections

import schemathesis

COLUMNS = ["id", "grp", "even", "name", "day", "ts"]  # of querytest.Events

NUMBERS = ["id", "grp", "even"]

# Codes about the content of a request: columns, filters, limits, tokens of pages.
CONTENT = {
    "syntax", "unknown_column", "type_mismatch", "unknown_filter", "too_deep", "too_long", "missing_field", "bad_limit", "bad_offset",
    "bad_columns", "duplicate_column", "ambiguous_partition", "bad_page_token", "foreign_page_token", "bad_snapshot", "bad_timeout",
    "not_a_partition", "bad_aggregate", "unknown_aggregate", "too_many", "out_of_range", "division_by_zero", "invalid_value", "unknown_type",
}


def pick(text, of):
    return of[sum(map(ord, text)) % len(of)]


def path(text):
    """Three quarters of the paths are of archives."""
    return pick(text, ["public/events", "public/events/month=2024-02", "public/events/month=2024-01", text or "public/events"])


def query_string(query):
    if isinstance(query.get("archivePath"), str):
        query["archivePath"] = path(query["archivePath"])
    if isinstance(query.get("filter"), str) and len(query["filter"]) % 4:
        query["filter"] = pick(query["filter"], ["id < 10", "even IS NULL", "name LIKE 'n1%' OR grp IN (3, 5)", "ts = 'infinity'"])
    if isinstance(query.get("columns"), list):
        query["columns"] = sorted({pick(c, COLUMNS) for c in query["columns"]})
    forget(query)


def forget(holder):
    """Most tokens and snapshots belong to nothing, and large limits are refused."""
    for name in ("pageToken", "snapshotId"):
        if isinstance(holder.get(name), str) and len(holder[name]) % 4 != 1:
            del holder[name]
    if isinstance(holder.get("limit"), int):
        holder["limit"] %= 100_000


def json_body(body, with_path):
    if with_path:
        body["archivePath"] = path(body.get("archivePath") or "")
    if isinstance(body.get("filterExpression"), str) and len(body["filterExpression"]) % 4:
        body["filterExpression"] = "id BETWEEN 100 AND 2100"
    forget(body)
    if body.get("aggregates") or body.get("groupBy"):
        body.pop("columns", None)
    for name in ("columns", "groupBy"):
        if body.get(name):
            body[name] = sorted({pick(c, COLUMNS) for c in body[name]})
    for name in ("aggregates", "orderBy"):
        for item in body.get(name) or []:
            if isinstance(item.get("column"), str):
                item["column"] = pick(item["column"], NUMBERS if name == "aggregates" else body.get("groupBy") or COLUMNS)
    if body.get("filters"):
        body["filters"] = {"id_gt": len(body["filters"])}


@schemathesis.hook
def before_call(ctx, case, kwargs):
    if not (case.meta and case.meta.generation.mode.is_positive):
        return
    if isinstance(case.query, dict):
        query_string(case.query)
    if "schema" in (case.path_parameters or {}) and len(case.path_parameters["schema"]) % 4:
        case.path_parameters.update(schema="public", table="events", partitionValue="2024-02")
        for name in ("bucket", "prefix"):
            case.query.pop(name, None)
    if isinstance(case.body, dict):
        json_body(case.body, "{schema}" not in case.operation.path)


@schemathesis.check
def refused_for_its_content(ctx, response, case):
    if response.status_code == 400 and case.meta and case.meta.generation.mode.is_positive:
        code = response.json()["code"]
        assert code in CONTENT, f"a request of the right form was refused with {code}"


# What was reached, for the one who reads the log.
reached = collections.Counter()


@schemathesis.hook
def after_call(ctx, case, response):
    mode = case.meta.generation.mode.value if case.meta else "?"
    reached[f"{case.operation.label}, {mode}: {response.status_code}"] += 1


atexit.register(lambda: print("\n".join(f"{k}: {n}" for k, n in sorted(reached.items()))))
