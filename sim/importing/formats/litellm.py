"""LiteLLM: rows of LiteLLM_SpendLogs (JSON lines, CSV, Parquet) and StandardLoggingPayload (S3, GCS, callbacks)."""

from __future__ import annotations

from sim.importing.formats.format import Format
from sim.importing.mapping import field

FORMAT = Format(
    name="litellm",
    log_of="LiteLLM's own clock, from its taking a call to the end of the answer",
    fields={
        "id": field("hash", "request_id", "id"),
        "call": field("hash", "litellm_call_id", "trace_id"),
        "start": field("time", "startTime"),
        "end": field("time", "endTime"),
        "first_token": field("time", "completionStartTime"),
        "duration": field("s", "response_time"),
        "group": field("text", "model_group"),
        "model": field("text", "model"),
        "provider": field("text", "custom_llm_provider"),
        "input_tokens": field("count", "prompt_tokens"),
        "output_tokens": field("count", "completion_tokens"),
        "cached_tokens": field("count", "metadata.usage_object.prompt_tokens_details.cached_tokens"),
        "cost": field("usd", "spend", "response_cost"),
        "status": field("status", "status"),
        "error": field("status", "error_information.error_code", "metadata.error_information.error_code", "status_code", "exception_type"),
        "cache_hit": field("flag", "cache_hit"),
        "user": field("hash", "end_user", "user", "metadata.user_api_key_end_user_id", "metadata.user_api_key_user_id"),
        "session": field("hash", "session_id"),
        "prompt": field("hash", "cache_key", "messages"),
        "key": field("hash", "api_key", "metadata.user_api_key_hash"),
        "feature": field("text", "request_tags"),
    },
    slow_if=b'"role"',
)
"""The cache's key tells prompts apart also where messages are redacted, which is LiteLLM's default."""
