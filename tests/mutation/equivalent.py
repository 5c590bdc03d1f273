"""Mutants that no test can tell from the right version, and why. Whatever else survives is a gap in the tests."""

from __future__ import annotations

ANY_NUMBER = "a code; any number that is not taken already will do"
NEVER_READ = "a starting value that is never read"
NO_MASS = "differs where two continuous quantities are equal, and there the result is the same"

EQUIVALENT = {  # (policy, line without its indentation, change)
    ("admission", "IN_SERVICE, IN_LINE, NO_ROOM = 0, 1, 2", "2 → 3"): ANY_NUMBER,
    ("breaker", "CLOSED, OPEN, HALF_OPEN = 0, 1, 2", "2 → 3"): ANY_NUMBER,
    ("cache", "MISS, STALE, FRESH = 0, 1, 2", "2 → 3"): ANY_NUMBER,
    ("hedge", "self.leader = -1", "1 → 2"): "nobody leads: any negative number",
    (
        "admission",
        "def __init__(self, config: Queue, priorities: Iterable[int] = (0,)) -> None:",
        "0 → 1",
    ): "a single line, whatever it is called",
    (
        "admission",
        "def enter(admission: Admission, now_s: float, priority: int = 0) -> Ticket | None:",
        "0 → 1",
    ): "left out for a single line only",
    (
        "admission",
        "self.line_of = [sum(level > priority for level in levels[:-1]) for priority in range(HIGHEST_PRIORITY + 1)]",
        "1 → 2",
    ): "one place more, for a priority that there is not",
    (
        "breaker",
        '"window": "count", "window_size": 100, "minimum_calls": 100, "failure_rate": 0.5, "slow_rate": 1.0, "slow_after": 60.0,',
        "100 → 101",
    ): "a minimum beyond the window's size counts as the size",
    ("breaker", "self.opened_s = 0.0", "0.0 → 1.0"): NEVER_READ,
    ("breaker", "breaker.second = 0", "0 → 1"): "all seconds are empty then",
    (
        "breaker",
        "breaker.ring[breaker.place] = FAILED * failed + SLOW * slow",
        "FAILED * failed + SLOW * slow → FAILED * failed - SLOW * slow",
    ): "the same two bits in two's complement",
    (
        "breaker",
        "for stale in range(max(breaker.second + 1, second - breaker.size + 1), second + 1):",
        "second - breaker.size + 1 → second - breaker.size - 1",
    ): "empties a bucket twice",
    ("context", "self.keep_turns = self.after_turns = self.summary_tokens = self.budget_tokens = 0", "0 → 1"): NEVER_READ,
    ("limiter", "if level > bucket.burst:", "level > bucket.burst → level >= bucket.burst"): NO_MASS,
    (
        "limiter",
        "return max(0.0, short / bucket.rate) if bucket.rate > 0 else INFINITY",
        "bucket.rate > 0 → bucket.rate >= 0",
    ): "a scenario's rates are positive",
    ("retry", "budget.balance = balance if balance < RESERVE else RESERVE", "balance < RESERVE → balance <= RESERVE"): NO_MASS,
    ("router", "if left < 0:", "left < 0 → left <= 0"): NO_MASS,
    ("router", "return 0", "0 → 1"): "reached by rounding only",
    ("session", "MAXIMUM = 1_000_000", "1000000 → 1000001"): "one session more or less of a million",
}
