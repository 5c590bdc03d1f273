"""What raises a limit: the place in a scenario that stands behind a limit's name."""

from __future__ import annotations

import re

Steps = tuple[str | int, ...]
KNOBS: tuple[tuple[str, Steps], ...] = (
    (r"the gateway's concurrency", ("gateway", "queue", "concurrency")),
    (r"the gateway's global request limit", ("gateway", "limits", "global", "requests")),
    (r"the gateway's global token limit", ("gateway", "limits", "global", "tokens")),
    (r"the per-user request limit .*", ("gateway", "limits", "per_user", "requests")),
    (r"the per-user token limit .*", ("gateway", "limits", "per_user", "tokens")),
    (r"the gateway's CPU", ("gateway", "workers")),
    (r"(?P<provider>[^/]+)'s (?:input |output )?(?:request|token) limit", ("providers", "<provider>", "keys")),
    (r"the workers for jobs", ("gateway", "jobs", "workers")),
    (r"the workers for long jobs", ("gateway", "jobs", "long", "workers")),
    (r"the connection pool to [^/]+", ("gateway", "connections", "max")),
    (r"(?P<provider>[^/]+)'s concurrency", ("providers", "<provider>", "concurrency")),
    (r"(?P<provider>[^/]+)/(?P<model>.+)'s batching slots", ("providers", "<provider>", "models", "<model>", "batching", "slots")),
    (r"(?P<provider>[^/]+)/(?P<model>.+)'s shared speed", ("providers", "<provider>", "models", "<model>", "batching", "parallel")),
)
"""Limits, as ``sim.analysis.utilization`` calls them, and what raises them: a provider's rate limits are per key, so another key does."""


def knob_of(limit: str) -> Steps | None:
    """The path that raises a limit."""
    for pattern, steps in KNOBS:
        if found := re.fullmatch(pattern, limit):
            names = {f"<{name}>": value for name, value in found.groupdict().items()}
            return tuple(names.get(str(step), step) for step in steps)
    return None
