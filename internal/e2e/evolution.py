"""Prints what PyIceberg reads of a table, one JSON line of texts or nulls a row, by id.

Usage: evolution.py METADATA FIELD...
"""

import json
import sys

from pyiceberg.table import StaticTable

table = StaticTable.from_metadata(sys.argv[1])
names = {f.name for f in table.schema().fields}
assert set(sys.argv[2:]) <= names, names
for row in table.scan().to_arrow().sort_by("id").to_pylist():
    print(json.dumps([None if row[f] is None else str(row[f]) for f in sys.argv[2:]]))
