"""Envoy access logs: its default text, or JSON as Envoy AI Gateway writes it, with models and tokens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sim.importing.formats.access_log import pattern_of, text_blocks
from sim.importing.formats.format import Format
from sim.importing.mapping import Block, field
from sim.importing.skipped import Skipped

VARIABLE = r"%([A-Z_]+(?:\([^)%]*\))?(?::\d+)?)%"
HEAD = '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS%'
SIZES = "%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%"
TAIL = '"%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"'
KNOWN = (
    f"{HEAD} {SIZES} {TAIL}",
    f'{HEAD} %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" {SIZES} {TAIL}',
)


def text(path: Path, log_format: str | None, skipped: Skipped) -> Iterator[Block]:
    yield from text_blocks(path, [pattern_of(each, VARIABLE) for each in ([log_format] if log_format else KNOWN)], skipped, "Envoy")


FORMAT = Format(
    name="envoy",
    log_of="Envoy, from the first byte of a call to the last of its answer",
    text=text,
    fields={
        "id": field("hash", "x-request-id", "request_id", "req_x_request_id"),
        "start": field("time", "start_time"),
        "duration": field("ms", "duration"),
        "ttft": field("ms", "x-envoy-upstream-service-time", "upstream_service_time", "resp_x_envoy_upstream_service_time"),
        "group": field("text", "gen_ai.request.model"),
        "model": field("text", "gen_ai.request.model_override", "gen_ai.response.model", "gen_ai.request.model"),
        "provider": field("text", "gen_ai.provider.name", "backend_name", "upstream_cluster", "upstream_host"),
        "input_tokens": field("count", "gen_ai.usage.input_tokens", "llm_input_token"),
        "output_tokens": field("count", "gen_ai.usage.output_tokens", "llm_output_token"),
        "total_tokens": field("count", "gen_ai.usage.total_tokens", "llm_total_token"),
        "cached_tokens": field("count", "gen_ai.usage.cached_input_tokens"),
        "status": field("status", "response_code"),
        "feature": field("text", "route_name"),
        "user": field("hash", "x-user-id", "x-forwarded-for"),
    },
)
