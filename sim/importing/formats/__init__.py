"""The formats of logs, one small file each. A format is its fields and, where its rows are nested or text, how to take them apart."""

from __future__ import annotations

from sim.importing.formats import (
    burstgpt,
    dynamo,
    envoy,
    helicone,
    langfuse,
    litellm,
    mooncake,
    nginx,
    openai_usage,
    otel,
    portkey,
    table,
)
from sim.importing.formats.format import Format

FORMATS: dict[str, Format] = {
    "litellm": litellm.FORMAT,
    "otel": otel.FORMAT,
    "langfuse": langfuse.FORMAT,
    "helicone": helicone.FORMAT,
    "portkey": portkey.FORMAT,
    "openai-usage": openai_usage.FORMAT,
    "nginx": nginx.FORMAT,
    "envoy": envoy.FORMAT,
    "mooncake": mooncake.FORMAT,
    "burstgpt": burstgpt.FORMAT,
    "dynamo": dynamo.FORMAT,
    "table": table.FORMAT,
}
__all__ = ("FORMATS", "Format")
