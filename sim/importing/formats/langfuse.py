"""Langfuse: observations exported to a blob store (Parquet, CSV, JSON lines) or from its interface."""

from __future__ import annotations

from sim.importing.formats.format import Format
from sim.importing.mapping import field

FORMAT = Format(
    name="langfuse",
    log_of="the instrumented client's clock",
    fields={
        "id": field("hash", "id"),
        "start": field("time", "start_time", "startTime"),
        "end": field("time", "end_time", "endTime"),
        "first_token": field("time", "completion_start_time", "completionStartTime"),
        "duration": field("s", "latency"),
        "ttft": field("s", "time_to_first_token", "timeToFirstToken"),
        "model": field("text", "provided_model_name", "model", "model_id"),
        "input_tokens": field("count", "usage_details.input", "usageDetails.input", "promptTokens", "usage.input"),
        "output_tokens": field("count", "usage_details.output", "usageDetails.output", "completionTokens", "usage.output"),
        "total_tokens": field("count", "usage_details.total", "usageDetails.total", "totalTokens"),
        "cached_tokens": field("count", "usage_details.input_cached_tokens", "usage_details.cache_read_input_tokens"),
        "cost": field("usd", "total_cost", "totalCost", "calculatedTotalCost", "cost_details.total"),
        "status": field("status", "level"),
        "user": field("hash", "user_id", "userId"),
        "session": field("hash", "session_id", "sessionId"),
        "prompt": field("hash", "input"),
        "feature": field("text", "prompt_name", "trace_name", "name"),
    },
)
