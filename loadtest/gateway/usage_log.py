"""The usage log: who uses what. A JSON object a line for each request, without any text of it; bounded by MOST_BYTES and one older file."""

from __future__ import annotations

import json
import logging
from logging.handlers import RotatingFileHandler
from typing import Any

from sim.data.outcomes import NAMES as OUTCOMES
from sim.kernel.containers import NOBODY
from sim.scenario.targets import target_names

MOST_BYTES = 256 * 1024 * 1024


class UsageLog:
    """Appends to ``path``; when that is full it becomes ``path.1``, and the one before is dropped. Raises OSError if it cannot be written.

    ``user``: the number N of a user ``uN``, otherwise a hash of the name, or of the API key. ``provider`` and ``model`` are null where no
    attempt was made. ``input_tokens``: sent to the model, after the context policy; ``output_tokens``: that reached the client.
    """

    def __init__(self, path: str, scenario: Any, most_bytes: int = MOST_BYTES) -> None:
        classes = scenario.workload.requests
        self.classes = [(each.name, each.feature or each.name) for each in classes]
        self.targets = [name.split("/", 1) for name in target_names(scenario)]
        self.file = RotatingFileHandler(path, maxBytes=most_bytes, backupCount=1, encoding="utf-8", delay=True)

    def of_process(self, number: int) -> None:
        """One of several gateway processes writes a file of its own, ``path.number``: none could make room in a common one."""
        self.file.baseFilename += f".{number}"

    def call_ended(self, c: Any, t0: float) -> None:
        """``t0``: the unix time from which the call's times count."""
        name, feature = self.classes[c.kind]
        provider, model = (None, None) if c.target == NOBODY else self.targets[c.target]
        said = {
            "at": round(t0 + c.arrival_s, 3), "request": c.request, "user": c.user, "conversation": c.conversation, "class": name,
            "feature": feature, "provider": provider, "model": model, "outcome": OUTCOMES[c.outcome],
            "input_tokens": c.input_tokens if c.attempts else 0, "output_tokens": c.output_tokens, "cost_usd": round(c.cost_usd, 9),
            "latency_s": round(c.latency_s, 6),
        }  # fmt: skip
        self.file.emit(logging.makeLogRecord({"msg": json.dumps(said, separators=(",", ":"))}))

    def close(self) -> None:
        self.file.close()
