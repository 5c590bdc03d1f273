"""OpenAI's usage API (completions): totals by bucket of time, without latencies; the shape of the day and the mean sizes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sim.importing.formats.format import Format
from sim.importing.mapping import field

MOST_CALLS = 200_000
"""Of one bucket and model; a larger total stands for itself in parts of equal size."""


def rows(value: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One row a call, evenly over its bucket, each with the bucket's mean tokens."""
    if isinstance(value.get("data"), list):
        for bucket in value["data"]:
            yield from rows(bucket) if isinstance(bucket, dict) else ()
        return
    for each in value.get("results") or ():
        calls = int(each.get("num_model_requests") or 0)
        first, last = float(value.get("start_time") or 0), float(value.get("end_time") or 0)
        made = min(calls, MOST_CALLS)
        for number in range(made):
            yield {
                "at": first + (number + 0.5) / made * (last - first),
                "input_tokens": float(each.get("input_tokens") or 0) / calls,
                "output_tokens": float(each.get("output_tokens") or 0) / calls,
                "cached": float(each.get("input_cached_tokens") or 0) / calls,
                "model": each.get("model") or "all-models",
                "feature": each.get("project_id"),
                "key": each.get("api_key_id"),
            }


FORMAT = Format(
    name="openai-usage",
    log_of="OpenAI's bills, by bucket: calls are set evenly into each",
    flatten=rows,
    spread=True,
    fields={
        "start": field("time", "at"),
        "model": field("text", "model"),
        "input_tokens": field("count", "input_tokens"),
        "output_tokens": field("count", "output_tokens"),
        "cached_tokens": field("count", "cached"),
        "feature": field("text", "feature"),
        "key": field("hash", "key"),
    },
)
