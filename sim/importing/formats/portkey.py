"""Portkey: the JSON lines of its log export. Costs are in cents there, times in milliseconds; a row is written when its call ends."""

from __future__ import annotations

from sim.importing.formats.format import Format
from sim.importing.mapping import field

FORMAT = Format(
    name="portkey",
    log_of="Portkey's gateway",
    fields={
        "id": field("hash", "id"),
        "call": field("hash", "trace_id"),
        "start": field("time", "created_at"),
        "duration": field("ms", "response_time"),
        "model": field("text", "ai_model"),
        "provider": field("text", "ai_org"),
        "input_tokens": field("count", "req_units"),
        "output_tokens": field("count", "res_units"),
        "total_tokens": field("count", "total_units"),
        "cost": field("cents", "cost"),
        "status": field("status", "response_status_code"),
        "user": field("hash", "metadata._user"),
        "prompt": field("hash", "request"),
        "feature": field("text", "prompt_slug"),
    },
)
