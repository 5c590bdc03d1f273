"""BurstGPT's CSV: seconds, tokens, and the time that a call took."""

from __future__ import annotations

from sim.importing.formats.format import Format
from sim.importing.mapping import field

FORMAT = Format(
    name="burstgpt",
    log_of="a trace; a row without response tokens was a failed call",
    fields={
        "start": field("clock_s", "Timestamp"),
        "duration": field("s", "Elapsed time"),
        "model": field("text", "Model"),
        "input_tokens": field("count", "Request tokens"),
        "output_tokens": field("count", "Response tokens"),
        "total_tokens": field("count", "Total tokens"),
        "session": field("hash", "Session ID"),
        "feature": field("text", "Log Type"),
    },
)
