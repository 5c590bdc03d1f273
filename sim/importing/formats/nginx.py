"""nginx access logs: JSON lines, or text by the server's own log_format. What went upstream several times is a list: its attempts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sim.importing.formats.access_log import pattern_of, text_blocks
from sim.importing.formats.format import Format
from sim.importing.mapping import Block, field
from sim.importing.skipped import Skipped

VARIABLE = r"\$(\w+)|\$\{(\w+)\}"
COMBINED = '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"'
TIMED = "$request_time $upstream_response_time $upstream_header_time $upstream_connect_time $status $upstream_status $upstream_addr"
KNOWN = (
    *(f"{clock} {TIMED} $upstream_cache_status $request_length $bytes_sent" for clock in ("$msec", "$time_iso8601")),
    *(f"{clock} {TIMED}" for clock in ("$msec", "$time_iso8601")),
    f"{COMBINED} $request_time $upstream_response_time $upstream_header_time",
    f"{COMBINED} $request_time $upstream_response_time",
    f"{COMBINED} $request_time",
    COMBINED,
)


def text(path: Path, log_format: str | None, skipped: Skipped) -> Iterator[Block]:
    yield from text_blocks(path, [pattern_of(each, VARIABLE) for each in ([log_format] if log_format else KNOWN)], skipped, "nginx")


FORMAT = Format(
    name="nginx",
    log_of="nginx, which writes a line when the answer has gone out: no tokens and no costs",
    text=text,
    fields={
        "end": field("time", "msec", "time_iso8601", "time_local", "time", "timestamp"),
        "duration": field("s", "request_time"),
        "ttft": field("s", "upstream_header_time"),
        "status": field("status", "status"),
        "cache_hit": field("flag", "upstream_cache_status"),
        "provider": field("text", "upstream_name", "proxy_host"),
        "model": field("text", "model", "http_x_model"),
        "user": field("hash", "remote_user", "remote_addr"),
        "id": field("hash", "request_id"),
    },
)
