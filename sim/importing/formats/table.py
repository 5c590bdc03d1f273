"""Any CSV, JSON lines or Parquet: its columns by the names that people use for them, or by ``--map``."""

from __future__ import annotations

from sim.importing.formats.format import Format
from sim.importing.mapping import field

FORMAT = Format(
    name="table",
    log_of="a table",
    fields={
        "id": field("hash", "request_id", "id"),
        "start": field("time", "timestamp", "TIMESTAMP", "start_time", "start", "time", "created_at", "timestamp_start_unix_ms", "created"),
        "end": field("time", "end_time", "end"),
        "duration": field("s", "latency_s", "duration_s", "e2e_s", "latency", "duration"),
        "ttft": field("s", "ttft_s", "ttft", "time_to_first_token"),
        "model": field("text", "model", "model_name"),
        "provider": field("text", "provider", "provider_name"),
        "group": field("text", "model_group", "class"),
        "input_tokens": field("count", "input_tokens", "prompt_tokens", "ContextTokens", "n_in", "input_length", "tokens_prompt"),
        "output_tokens": field(
            "count", "output_tokens", "completion_tokens", "GeneratedTokens", "n_out", "output_length", "tokens_completion"
        ),
        "cached_tokens": field("count", "cached_input_tokens", "cached_tokens"),
        "cost": field("usd", "cost_usd", "cost", "total_cost", "spend"),
        "status": field("status", "status", "status_code"),
        "error": field("status", "error_code", "error"),
        "user": field("hash", "user_id", "user"),
        "session": field("hash", "session_id", "conversation_id", "provided_session_id"),
        "prompt": field("hash", "prompt", "prompt_hash"),
        "feature": field("text", "feature", "tag"),
    },
)
