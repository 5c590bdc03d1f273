"""Record types of the compiled world. Fields that a policy function reads are named as that function names them."""

from __future__ import annotations

import numpy as np

# ---- settings and states of policies
ADMISSION = np.dtype(
    [
        ("concurrency", "f8"),
        ("capacity", "f8"),
        ("timeout_s", "f8"),
        ("in_service", "i8"),
        ("waiting", "i8"),
        ("waited_s", "f8"),
        ("at_s", "f8"),
    ]
)
BUDGET = np.dtype([("ratio", "f8"), ("balance", "f8")])
BACKOFF = np.dtype([("kind", "i8"), ("base_s", "f8"), ("cap_s", "f8")])
CONTEXT = np.dtype([("kind", "i8"), ("after_turns", "i8"), ("budget_tokens", "i8"), ("keep_turns", "i8"), ("summary_tokens", "i8")])
BUCKET = np.dtype([("at_s", "f8"), ("burst", "f8"), ("level", "f8"), ("rate", "f8")])
WINDOW = np.dtype([("count", "f8"), ("start_s", "f8"), ("used", "f8"), ("window_s", "f8")])
LOG = np.dtype([("oldest", "i8"), ("start", "i8"), ("size", "i8"), ("window_s", "f8")])  # its ring is log_times[start : start + size]
LIMIT = np.dtype([("algorithm", "i8"), ("first", "i8")])  # states of one kind: rows of buckets, windows or logs, from ``first``
BREAKER = np.dtype(
    [
        ("timed", "?"), ("size", "i8"), ("minimum_calls", "i8"), ("failure_rate", "f8"), ("slow_rate", "f8"), ("slow_after_s", "f8"),
        ("open_for_s", "f8"), ("half_open_calls", "i8"), ("state", "i8"), ("opened_s", "f8"), ("permits", "i8"), ("trips", "i8"),
        ("calls", "i8"), ("failed", "i8"), ("slow", "i8"), ("place", "i8"), ("second", "i8"), ("start", "i8"), ("length", "i8"),
    ]
)  # its ring is breaker_rings[start : start + length]  # fmt: skip
TARGET = np.dtype(
    [
        ("provider", "i8"), ("keys", "i8"), ("next_key", "i8"), ("in_flight", "i8"), ("latency_s", "f8"), ("input_usd", "f8"),
        ("output_usd", "f8"), ("ttft", "i8"), ("per_token", "i8"), ("ttft_root", "u8"), ("per_token_root", "u8"), ("error_root", "u8"),
        ("error_after_root", "u8"),
        ("ahead_from", "i8"), ("asked", "i8"), ("looks_ahead", "?"),
    ]
)  # fmt: skip

# ---- providers
AHEAD = 64  # prompts
TIMES = np.dtype([("first_token_s", "f8"), ("per_token_s", "f8")])
PROVIDER = np.dtype(
    [
        ("error_rate", "f8"), ("error_status", "i8"), ("error_after", "i8"), ("concurrency", "f8"), ("in_service", "i8"),
        ("limit_requests", "i8"), ("limit_tokens", "i8"), ("retry_after_step_s", "f8"),
    ]
)  # fmt: skip
FAULT = np.dtype(
    [
        ("number", "i8"), ("provider", "i8"), ("target", "i8"), ("kind", "i8"), ("mode", "i8"), ("at_s", "f8"), ("until_s", "f8"),
        ("status", "i8"), ("share", "f8"), ("ttft_factor", "f8"), ("per_token_factor", "f8"),
    ]
)  # fmt: skip
LAW = np.dtype([("kind", "i8"), ("a", "f8"), ("b", "f8"), ("first", "i8"), ("count", "i8")])

# ---- requests
KIND = np.dtype([("line", "i8"), ("pool", "i8")])
LIFE = np.dtype(
    [
        ("request", "i8"), ("output_tokens", "i8"), ("stage", "i1"), ("outcome", "i1"), ("leaving", "?"), ("granted", "?"),
        ("admitted", "?"), ("leads", "?"), ("committed", "?"), ("ticket", "i4"), ("list", "i4"), ("before", "i4"), ("after", "i4"),
        ("arrived_s", "f8"), ("leaves_s", "f8"), ("deadline_s", "f8"), ("since_s", "f8"), ("limit_s", "f8"),
        ("targets", "i2"), ("place", "i2"), ("target", "i2"), ("previous", "i2"), ("given_up", "i8"), ("retry", "i2"),
        ("pause_s", "f8"), ("retry_after_s", "f8"),
        ("started_s", "f8"), ("ends_s", "f8"), ("status", "i2"), ("key", "i2"), ("occurrence", "i4"),
        ("plan_status", "i2"), ("plan_output_tokens", "i8"), ("plan_first_token_s", "f8"), ("plan_per_token_s", "f8"),
        ("plan_duration_s", "f8"), ("plan_retry_after_s", "f8"),
    ],
    align=True,
)  # fmt: skip
EVENT = np.dtype(
    {"names": ["at_s", "bits", "order", "what"], "formats": ["f8", "i8", "i8", "i8"], "offsets": [0, 0, 8, 24], "itemsize": 32}
)  # ``bits`` are those of at_s: of times since the start, which are not negative, they have the same order, and compare faster
MOVE = np.dtype([("at_s", "f8"), ("target", "i8"), ("state", "i8")])

# ---- the world: settings that never change in a run, then its state
STAGES = (
    "has_limits", "has_cpu", "has_sessions", "has_history", "has_cache", "has_patience", "has_budget", "has_breakers", "has_departures",
    "has_failures",
)  # fmt: skip
VIEWS = 1024  # words, for pointers to all tables, their lengths, strides and so on
WORLD = np.dtype(
    [
        *((stage, "?") for stage in STAGES),
        ("requests", "i8"), ("replication", "i8"), ("client_timeout_s", "f8"), ("streams", "?"), ("samples", "i8"),
        ("sample_every_s", "f8"),
        ("user_requests", "i8"), ("user_tokens", "i8"), ("all_requests", "i8"), ("all_tokens", "i8"),
        ("total_timeout_s", "f8"), ("first_token_timeout_s", "f8"), ("single_flight", "?"), ("sliding", "?"),
        ("cache_ttl_s", "f8"), ("cache_capacity", "i8"), ("session_ttl_s", "f8"), ("session_capacity", "i8"),
        ("has_admission", "?"), ("lines", "i8"), ("attempts_each", "i8"), ("retry_next", "?"),
        ("honor_retry_after", "?"),
        ("next_provider", "?"), ("routing", "i8"), ("stale_first", "?"), ("canned", "?"),
        ("jitter_root", "u8"), ("routing_root", "u8"), ("fault_root", "u8"),
        ("admission", ADMISSION), ("budget", BUDGET), ("backoff", BACKOFF), ("context", CONTEXT),
        ("now_s", "f8"), ("order", "i8"), ("tickets", "i8"), ("next_request", "i8"), ("next_at_s", "f8"), ("next_order", "i8"),
        ("free_life", "i8"), ("inside", "i8"), ("entered", "i8"), ("area_s", "f8"), ("area_at_s", "f8"), ("heap_size", "i8"),
        ("attempts", "i8"), ("moves", "i8"), ("sampled", "i8"), ("sample_due_s", "f8"), ("cached", "i8"), ("sessions", "i8"),
        ("turn_of_worker", "i8"), ("turn_of_robin", "i8"), ("refused_user", "i8"), ("refused_all", "i8"),
    ],
    align=True,
)  # fmt: skip
