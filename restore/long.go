package restore

import "frostline/internal/runs"

// longValues is held by whoever has a value of more than 16 MiB in memory: there is one such value in the process, also where
// several partitions are restored at once.
var longValues runs.Turn
