"""What a run leaves: one flat row per request and one per attempt. Every figure is computed from these rows afterwards."""

from __future__ import annotations

from typing import Literal

import numpy as np

Kind = Literal["prediction", "measurement"]

# name, dtype, unit and meaning. Times are seconds from the start of the run; -1 in an index means none; nan: never happened.
REQUEST_COLUMNS: dict[str, tuple[str, str]] = {
    "request": ("i8", "position in the schedule"),
    "replication": ("i4", "0 is the scenario's own seed"),
    "arrival_s": ("f8", "intended send time"),
    "kind": ("i2", "index into workload.requests"),
    "user": ("i8", ""),
    "conversation": ("i8", ""),
    "turn": ("i4", "from 0"),
    "prompt": ("i8", ""),
    "outcome": ("i1", "a code of sim.data.outcomes"),
    "refused_by": ("i2", "the limit that said no, a code of sim.kernel.refusals; 0 none"),
    "latency_s": ("f8", "from the intended send time to the last byte, or to the refusal"),
    "ttft_s": ("f8", "from the intended send time to the first content; nan if none came"),
}
"""Of every request; the gateway's stages add theirs: ``sim.gateway.rows``."""

ATTEMPT_COLUMNS: dict[str, tuple[str, str]] = {
    "request": ("i8", "position in the schedule; -1 unknown"),
    "replication": ("i4", ""),
    "attempt": ("i2", "from 0"),
    "target": ("i2", "index into Run.targets"),
    "key": ("i2", "of the provider's key pool"),
    "prompt": ("i8", ""),
    "occurrence": ("i4", "how often this target had seen the prompt before"),
    "started_s": ("f8", ""),
    "first_token_s": ("f8", "seconds after started_s; nan if none came"),
    "duration_s": ("f8", "seconds after started_s until it ended or was cut"),
    "status": ("i2", "HTTP status, or one of sim.data.statuses"),
    "input_tokens": ("i8", "billed"),
    "output_tokens": ("i8", "produced and billed, also when nobody read them"),
    "cached_tokens": ("i8", "of the input, read from the provider's prompt cache"),
    "refused_by": ("i2", "the limit or fault that said no, a code of sim.kernel.refusals; 0 none"),
    "cost_usd": ("f8", ""),
}


def dtype(columns: dict[str, tuple[str, str]]) -> np.dtype:
    return np.dtype([(name, code) for name, (code, _) in columns.items()])


ATTEMPTS = dtype(ATTEMPT_COLUMNS)
TIMELINE = np.dtype([("replication", "i4"), ("at_s", "f8"), ("waiting", "i8"), ("in_service", "i8"), ("open_breakers", "i4")])
