package iceberg

import _ "frostline/internal/quickstart" // before iceberg-go
