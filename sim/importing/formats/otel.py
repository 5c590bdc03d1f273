"""OpenTelemetry GenAI spans: a span a line, spans in rows by trace, or OTLP JSON; today's names and the deprecated ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sim.importing.formats.format import Format
from sim.importing.mapping import field

INFERENCE = ("chat", "text_completion", "generate_content", "completion", "inference", "responses", "llm", "embeddings")


def value_of(wrapped: Any) -> Any:
    """An OTLP attribute's value: ``{"intValue": "7"}`` → ``"7"``."""
    if not isinstance(wrapped, dict):
        return wrapped
    for kind in ("stringValue", "intValue", "doubleValue", "boolValue"):
        if kind in wrapped:
            return wrapped[kind]
    return None


def attributes_of(span: dict[str, Any]) -> dict[str, Any]:
    found = span.get("attributes") or span.get("span_attributes") or {}
    if isinstance(found, list):
        return {each.get("key", ""): value_of(each.get("value")) for each in found if isinstance(each, dict)}
    return found if isinstance(found, dict) else {}


def spans_in(value: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Spans of a line: OTLP's resourceSpans, a trace's ``spans``, or the line itself."""
    for key in ("resourceSpans", "resource_spans", "scopeSpans", "scope_spans", "instrumentationLibrarySpans", "spans"):
        if isinstance(value.get(key), list):
            for each in value[key]:
                if isinstance(each, dict):
                    yield from spans_in(each) if key != "spans" else [each]
            return
    yield value


def rows(value: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for span in spans_in(value):
        told = {**span, **attributes_of(span)}
        operation = str(told.get("gen_ai.operation.name") or told.get("openinference.span.kind") or "").lower()
        is_call = any(name in told for name in MODELS) and (not operation or operation in INFERENCE)
        if not is_call:  # tools, agents and the HTTP spans around them
            continue
        status = span.get("status")
        failed = isinstance(status, dict) and str(status.get("code") or status.get("status_code")).upper() in (
            "2",
            "ERROR",
            "STATUS_CODE_ERROR",
        )
        context = span.get("context") if isinstance(span.get("context"), dict) else {}
        told["_failed"] = "error" if failed else "ok"
        told["_id"] = span.get("spanId") or span.get("span_id") or (context or {}).get("span_id")
        if not told.get("gen_ai.conversation.id"):
            told["gen_ai.conversation.id"] = told.get("session.id")
        yield told


MODELS = ("gen_ai.request.model", "gen_ai.response.model", "llm.model_name", "llm.request.model")
FORMAT = Format(
    name="otel",
    log_of="the instrumented client's clock",
    flatten=rows,
    fields={
        "id": field("hash", "_id"),
        "start": field("time", "startTimeUnixNano", "start_time_unix_nano", "start_time", "startTime"),
        "end": field("time", "endTimeUnixNano", "end_time_unix_nano", "end_time", "endTime"),
        "ttft": field("s", "gen_ai.response.time_to_first_chunk", "gen_ai.server.ttft", "gen_ai.server.time_to_first_token"),
        "group": field("text", "gen_ai.request.model"),
        "model": field("text", "gen_ai.response.model", "gen_ai.request.model", "llm.model_name", "llm.request.model"),
        "provider": field("text", "gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system"),
        "input_tokens": field("count", "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt"),
        "output_tokens": field("count", "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.token_count.completion"),
        "cached_tokens": field(
            "count",
            "gen_ai.usage.cache_read.input_tokens",
            "gen_ai.usage.cache_read_input_tokens",
            "llm.token_count.prompt_details.cache_read",
        ),
        "cost": field("usd", "gen_ai.usage.cost", "llm.cost.total"),
        "status": field("status", "_failed"),
        "error": field("status", "http.response.status_code", "error.type"),
        "user": field("hash", "user.id", "enduser.id"),
        "session": field("hash", "gen_ai.conversation.id"),
        "prompt": field("hash", "gen_ai.input.messages", "gen_ai.prompt", "input.value"),
        "feature": field("text", "gen_ai.workflow.name", "gen_ai.agent.name"),
    },
)
