"""Helicone: ``npx @helicone/export``, or rows of its query API."""

from __future__ import annotations

from sim.importing.formats.format import Format
from sim.importing.mapping import field

FORMAT = Format(
    name="helicone",
    log_of="Helicone's proxy",
    fields={
        "id": field("hash", "request_id"),
        "start": field("time", "request_created_at"),
        "end": field("time", "response_created_at"),
        "duration": field("ms", "delay_ms"),
        "ttft": field("ms", "time_to_first_token"),
        "group": field("text", "request_model"),
        "model": field("text", "model_override", "response_model", "request_model"),
        "provider": field("text", "provider"),
        "input_tokens": field("count", "prompt_tokens"),
        "output_tokens": field("count", "completion_tokens"),
        "total_tokens": field("count", "total_tokens"),
        "cached_tokens": field("count", "prompt_cache_read_tokens"),
        "cost": field("usd", "costUSD", "cost_usd"),
        "status": field("status", "response_status"),
        "user": field("hash", "request_user_id"),
        "session": field("hash", "request_properties.Helicone-Session-Id"),
        "feature": field("text", "request_properties.Feature", "request_properties.feature"),
    },
)
