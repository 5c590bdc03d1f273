"""Retries: how many attempts, of which failures, after which pauses, and where they go.

The mocks fail the first so many attempts of each prompt and answer the next, so that a single request tells how many attempts there are
and how far apart. Between such requests others succeed: a breaker that judges shares of failures should not stir.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from loadtest.calibration.backoff import estimate_backoff
from loadtest.calibration.bench import Attempt, Bench
from loadtest.calibration.figure import Figure, found, nothing, unknown

MOST_ATTEMPTS = 12
CLEAN = 8  # requests that succeed before each that fails
SAMPLES_S = 20.0
FIRST_PAUSES, SECOND_PAUSES = 14, 8
STATUSES: dict[str, dict[str, Any]] = {"HTTP 500": {"status": 500}, "HTTP 400": {"status": 400}, "a reset": {"mode": "refused"}}
PATIENCE_S = 60.0
PATH = "gateway.retry"


class Failing(NamedTuple):
    """A request whose first attempts failed: was it answered in the end, its attempts, and whether the gateway then served others."""

    ok: bool
    attempts: list[Attempt]
    healthy: bool = True


async def experiment(bench: Bench, declared: Mapping[str, Any]) -> list[Figure]:
    counted = await count_attempts(bench, "outage")
    if not counted[-1].healthy and await bench.recovers():  # a breaker had its say: a status that most of them do not count
        counted = await count_attempts(bench, "rate-limit")
    figures = attempts_figures(counted, len(bench.mocks))
    if figures[0].value is None or figures[0].value < 2:
        return figures
    seconds = int(figures[0].value) > 2
    firsts, both = await sample_pauses(bench, seconds)
    figures += estimate_backoff(firsts, both)
    figures.append(await which_failures(bench))
    longest_s = max([*firsts, *(first for first, _ in both)], default=0.0)
    figures.append(await honours_retry_after(bench, longest_s))
    return figures


async def fail_first(bench: Bench, failures: int, kind: str = "outage", **more: Any) -> Failing:
    """One request whose first attempts fail at every target, after some that succeed."""
    clean = CLEAN if bench.limit is None else min(CLEAN, bench.limit[0] // 10)
    await bench.room(clean + 2)
    await bench.clean(clean)
    await bench.strike(kind, first=failures, **more)
    probe = await bench.ask(patience_s=PATIENCE_S)
    await bench.heal()
    after = await bench.ask()
    rows = (await bench.attempts_of([probe]))[probe.prompt]
    return Failing(any(attempt.status == 200 for attempt in rows), rows, after.ok)


async def count_attempts(bench: Bench, kind: str) -> list[Failing]:
    """With one failure, two, three … until the client hears of it."""
    counted = []
    for failures in range(1, MOST_ATTEMPTS + 1):
        counted.append(await fail_first(bench, failures, kind))
        if not counted[-1].ok or not counted[-1].healthy or len(targets_of(counted[-1])) > 1:
            break
    return counted


def targets_of(failing: Failing) -> list[str]:
    """In the order in which they were tried first."""
    return list(dict.fromkeys(attempt.target for attempt in failing.attempts))


def attempts_figures(counted: Sequence[Failing], targets: int = 2) -> list[Figure]:
    """``targets``: how many there are. A failure that is passed on to each of them in turn is a fallback; to some only, attempts."""
    last = counted[-1]
    path = f"{PATH}.attempts"
    tried = len(last.attempts)
    where = targets_of(last)
    words = " ".join(attempt.target for attempt in last.attempts)
    if not last.healthy:
        why = f"after {tried} failed attempts of one request the gateway refused the next request, too: a breaker, or a cool-down"
        return [unknown("attempts", path, why)]
    if last.ok and len(where) == 1:
        return [unknown("attempts", path, f"more than {MOST_ATTEMPTS}: all failures that were tried were followed by one more attempt")]
    if len(where) > 1:
        first = [attempt.target for attempt in last.attempts].index(where[1])
        again = where[0] in {attempt.target for attempt in last.attempts[first:]}
        if first == 1 and len(counted) == 1:
            how = f"the first failure sent a request on to another target ({words})"
            if not again and not last.ok and len(where) < targets:
                return [found("attempts", path, tried, how, tried, tried), found("target of a retry", f"{PATH}.to", "next", how)]
            return [
                found("attempts", path, max(tried, 2) if again else 1, how, 1, tried) if again else found("attempts", path, 1, how, 1, 1),
                found("target of a retry", f"{PATH}.to", "next", how)
                if again
                else nothing("target of a retry", None, f"{how}: a fallback"),
            ]
        how = f"{first} attempts failed at {where[0]} before another target was asked ({words})"
        return [found("attempts", path, first, how, first, first), found("target of a retry", f"{PATH}.to", "same", how)]
    if tried == 1:
        return [found("attempts", path, 1, "one attempt; its failure was the client's", 1, 1)]
    how = f"{tried} attempts, then the failure was the client's; with {tried - 1} failures it was answered"
    return [found("attempts", path, tried, how, tried, tried)]


async def sample_pauses(bench: Bench, seconds: bool) -> tuple[list[float], list[tuple[float, float]]]:
    """First pauses, and (first, second) pauses of requests that fail twice."""
    firsts: list[float] = []
    both: list[tuple[float, float]] = []
    until_s = bench.now() + SAMPLES_S * (1 if bench.limit is None else 3)
    while bench.now() < until_s and (len(firsts) < FIRST_PAUSES or (seconds and len(both) < SECOND_PAUSES)):
        twice = seconds and len(both) * FIRST_PAUSES < len(firsts) * SECOND_PAUSES
        pauses = pauses_of((await fail_first(bench, 2 if twice else 1)).attempts)
        if twice and len(pauses) == 2:
            both.append((pauses[0], pauses[1]))
        elif pauses:
            firsts.append(pauses[0])
        elif not twice and len(firsts) == 0:
            break
    return firsts, both


def pauses_of(attempts: Sequence[Attempt]) -> list[float]:
    """From the end of each attempt to the start of the next one at the same target."""
    return [later.started_s - earlier.ended_s for earlier, later in pairwise(attempts) if later.target == earlier.target]


async def which_failures(bench: Bench) -> Figure:
    """Which failures are tried again. 503 is, or nobody would ask."""
    tried = {"HTTP 503": True}
    for words, fault in STATUSES.items():
        tried[words] = again_at_once(await fail_first(bench, 1, **fault))
    tried["HTTP 429"] = again_at_once(await fail_first(bench, 1, "rate-limit"))
    again = ", ".join(words for words, again in tried.items() if again)
    final = ", ".join(words for words, again in tried.items() if not again) or "none"
    return found("failures tried again", None, again, f"one failure each; passed on to the client: {final}")


def again_at_once(failing: Failing) -> bool:
    """Whether the first failure was tried again at the same target, rather than sent on."""
    targets = [attempt.target for attempt in failing.attempts]
    return len(targets) > 1 and targets[1] == targets[0]


async def honours_retry_after(bench: Bench, longest_pause_s: float) -> Figure:
    """A provider that says how long to wait, longer than the gateway waits by itself."""
    path = f"{PATH}.honor_retry_after"
    told_s = max(1, min(6, round(longest_pause_s + 1.5)))
    failing = await fail_first(bench, 1, "rate-limit", retry_after=f"{told_s}s")
    pauses = pauses_of(failing.attempts)
    if not pauses:
        return unknown("retry-after", path, "HTTP 429 is not tried again at the same target")
    evidence = f"told to wait {told_s} s, the next attempt came after {pauses[0]:.2f} s; untold, after {longest_pause_s:.2f} s at most"
    if told_s < longest_pause_s * 1.1:
        return unknown("retry-after", path, evidence)
    honoured = pauses[0] >= told_s - 0.05
    return found("retry-after", path, honoured, evidence)
