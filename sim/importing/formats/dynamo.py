"""dynamo.request.trace.v1: calls of agents, with the tools they wait for in between."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from sim.importing.formats.format import Format
from sim.importing.mapping import field


def rows(value: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Calls; the ends of tools are between them and follow from their times."""
    inside = value.get("event")
    event = inside if isinstance(inside, dict) else value
    request = event.get("request")
    if event.get("event_type") != "request_end" or not isinstance(request, dict):
        return
    replay = request.get("replay") or {}
    context = event.get("agent_context") or {}
    prompt = [replay.get("input_length"), *(replay.get("input_sequence_hashes") or ())]
    yield {
        **request,
        "ended_ms": event.get("event_time_unix_ms"),
        "session_id": context.get("session_id"),
        "feature": context.get("session_type_id") or context.get("phase"),
        "prompt": orjson.dumps(prompt).decode() if len(prompt) > 1 else None,
    }


FORMAT = Format(
    name="dynamo",
    log_of="Dynamo's frontend",
    flatten=rows,
    fields={
        "id": field("hash", "request_id"),
        "start": field("time", "request_received_ms"),
        "end": field("time", "ended_ms"),
        "duration": field("ms", "total_time_ms"),
        "ttft": field("ms", "ttft_ms"),
        "model": field("text", "model"),
        "input_tokens": field("count", "input_tokens", "replay.input_length"),
        "output_tokens": field("count", "output_tokens"),
        "cached_tokens": field("count", "cached_tokens"),
        "session": field("hash", "session_id"),
        "prompt": field("hash", "prompt"),
        "feature": field("text", "feature"),
    },
)
