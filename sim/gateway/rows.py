"""A request's row: the columns that every gateway has, and those that the stages of the chain add."""

from __future__ import annotations

from sim.data import schema
from sim.gateway.chain import declared

STAGE_COLUMNS: dict[str, tuple[str, str]] = declared("COLUMNS")
REQUEST_COLUMNS: dict[str, tuple[str, str]] = schema.REQUEST_COLUMNS | STAGE_COLUMNS
REQUESTS = schema.dtype(REQUEST_COLUMNS)

PARTS: dict[str, str] = declared("PARTS")
"""Columns that are parts of the latency, with their names in words."""
ANSWER_PARTS = ("first_token_s", "generation_s")
"""The parts in which the answering attempt works."""
WAITS = tuple(column for column in PARTS if column not in ANSWER_PARTS)
"""All other parts: in these nothing comes closer to an answer. They follow one after the other."""
