"""Mooncake's traces: milliseconds, lengths, and hashes of the prompt's blocks. DynoSim's and aiperf's variants add sessions."""

from __future__ import annotations

from sim.importing.formats.format import Format
from sim.importing.mapping import field

FORMAT = Format(
    name="mooncake",
    log_of="a trace of what was asked: no latencies",
    fields={
        "start": field("clock_ms", "timestamp"),
        "input_tokens": field("count", "input_length"),
        "output_tokens": field("count", "output_length"),
        "session": field("hash", "session_id"),
        "prompt": field("hash", "hash_ids"),
        "id": field("hash", "request_id"),
        "feature": field("text", "policy_class", "type"),
    },
    slow_if=b'"hash_ids"',
)
