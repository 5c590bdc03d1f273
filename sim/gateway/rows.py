"""The rows that a run leaves of each request and each attempt: the columns that every request has, and what the stages add.

``REQUEST_FIELDS`` and ``ATTEMPT_FIELDS`` are the fields of a call that the columns are taken from, in their order.
"""

from __future__ import annotations

from sim.data.schema import ATTEMPT_COLUMNS, dtype
from sim.data.schema import REQUEST_COLUMNS as BASE
from sim.gateway import chain
from sim.gateway.stages import upstream

REQUEST_COLUMNS: dict[str, tuple[str, str]] = BASE | chain.declared("COLUMNS")
REQUESTS = dtype(REQUEST_COLUMNS)
ATTEMPTS = dtype(ATTEMPT_COLUMNS)
REQUEST_FIELDS = tuple(name for name in REQUEST_COLUMNS if name != "replication")
ATTEMPT_FIELDS = tuple(upstream.ATTEMPT_COLUMNS[name] for name in ATTEMPT_COLUMNS if name != "replication")
