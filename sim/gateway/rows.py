"""The rows that a run leaves of each request and each attempt: the columns that every request has, and what the stages add.

``REQUEST_FIELDS`` and ``ATTEMPT_FIELDS`` are the fields of a call that the columns are taken from, in their order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.data import schema
from sim.data.schema import ATTEMPT_COLUMNS, dtype
from sim.gateway import chain
from sim.gateway.stages import upstream

STAGE_COLUMNS: dict[str, tuple[str, str]] = chain.declared("COLUMNS")
COSTS = tuple(column for stage in chain.STAGES for column in getattr(stage, "COSTS", ()))
"""What a request costs besides its attempts, in USD: a part of its cost_usd."""
BASE = schema.REQUEST_COLUMNS
REQUEST_COLUMNS = BASE | STAGE_COLUMNS
ATTEMPTS = schema.ATTEMPTS
REQUESTS = dtype(REQUEST_COLUMNS)
ATTEMPT_FIELDS = tuple(upstream.ATTEMPT_COLUMNS[name] for name in ATTEMPT_COLUMNS if name != "replication")

OPTIONAL_COLUMNS = {name for stage in chain.STAGES if getattr(stage, "OPTIONAL", False) for name in getattr(stage, "COLUMNS", {})}


def requests_of(g: Any) -> np.dtype:
    """The rows of a gateway's requests: without the columns of optional stages that it does not use."""
    has = chain.with_records(chain.used_by(g))
    absent = {name for stage in chain.STAGES if stage not in has for name in getattr(stage, "COLUMNS", {})}
    return dtype({name: code for name, code in REQUEST_COLUMNS.items() if name not in absent})


def fields_of(rows: np.dtype) -> tuple[str, ...]:
    """The fields of a call that a row holds, in the order of its columns."""
    return tuple(name for name in rows.names or () if name != "replication")


REQUEST_FIELDS = fields_of(REQUESTS)
PARTS: dict[str, str] = chain.declared("PARTS")
"""Columns that are parts of the latency, with their names in words."""
ANSWER_PARTS = ("first_token_s", "generation_s")
"""The parts in which the answering attempt works."""
WAITS = tuple(column for column in PARTS if column not in ANSWER_PARTS)
"""All other parts: in these nothing comes closer to an answer. They follow one after the other."""
