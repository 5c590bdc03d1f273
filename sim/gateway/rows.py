"""The rows that a run leaves of each request and each attempt: the columns that every request has, and what the stages add.

``REQUEST_FIELDS`` and ``ATTEMPT_FIELDS`` are the fields of a call that the columns are taken from, in their order.
"""

from __future__ import annotations

from sim.data import schema
from sim.data.schema import ATTEMPT_COLUMNS, dtype
from sim.gateway import chain
from sim.gateway.stages import upstream

STAGE_COLUMNS: dict[str, tuple[str, str]] = chain.declared("COLUMNS")
BASE = schema.REQUEST_COLUMNS
REQUEST_COLUMNS = BASE | STAGE_COLUMNS
ATTEMPTS = schema.ATTEMPTS
REQUESTS = dtype(REQUEST_COLUMNS)
REQUEST_FIELDS = tuple(name for name in REQUEST_COLUMNS if name != "replication")
ATTEMPT_FIELDS = tuple(upstream.ATTEMPT_COLUMNS[name] for name in ATTEMPT_COLUMNS if name != "replication")

PARTS: dict[str, str] = chain.declared("PARTS")
"""Columns that are parts of the latency, with their names in words."""
ANSWER_PARTS = ("first_token_s", "generation_s")
"""The parts in which the answering attempt works."""
WAITS = tuple(column for column in PARTS if column not in ANSWER_PARTS)
"""All other parts: in these nothing comes closer to an answer. They follow one after the other."""
