"""What the official SDKs do with a fault, by their own documentation: which error, after how many attempts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

ATTEMPTS = 3  # the first and two retries, the default of both SDKs
RETRIED = (408, 409, 429, 500, 502, 503, 504, 529)


@dataclass
class Case:
    """``raises`` is the name of a class among the error's bases, None for an answer; ``ends`` how the mock ended each attempt."""

    name: str
    fault: dict[str, Any]
    raises: str | None
    attempts: int
    stream: bool = False
    ends: tuple[str, ...] = ()
    client: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name}{' streamed' if self.stream else ''}"


def status_cases(classes: dict[int, str], status: int) -> list[Case]:
    """Every attempt fails with ``status``; the first fails; retries are off."""
    raises, retried = classes.get(status, "InternalServerError" if status >= 500 else "APIStatusError"), status in RETRIED
    fault = {"kind": "errors", "status": status}
    cases = [
        Case(f"{status} always", fault, raises, ATTEMPTS if retried else 1, stream, ends=("error",) * (ATTEMPTS if retried else 1))
        for stream in (False, True)
    ]
    if retried:
        cases.append(Case(f"{status} once", {**fault, "first": 1}, None, 2, ends=("error", "complete")))
        cases.append(Case(f"{status} without retries", fault, raises, 1, ends=("error",), client={"max_retries": 0}))
    return cases


def parameters(cases: list[Case]) -> list[Any]:
    """For parametrize. Cases in which the SDK waits for its own timeout again and again are for the slow run."""
    return [
        pytest.param(case, id=str(case), marks=pytest.mark.slow if case.client.get("timeout") and case.attempts > 2 else ())
        for case in cases
    ]


def broken_cases(stream_errors: dict[str, str | None], filtered: str | None) -> list[Case]:
    """Broken connections and answers. Nothing is retried once a stream has begun; a clean cut goes unnoticed."""
    short = {"timeout": 0.4}
    refused, hang = {"kind": "outage", "mode": "refused"}, {"kind": "outage", "mode": "hang"}
    cases = []
    for stream in (False, True):
        cases += [
            Case("refused always", refused, "APIConnectionError", ATTEMPTS, stream, ("refused",) * ATTEMPTS),
            Case("refused twice", {**refused, "first": 2}, None, 3, stream, ("refused", "refused", "complete")),
            Case("hang always", hang, "APITimeoutError", ATTEMPTS, stream, ("hang",) * ATTEMPTS, short),
            Case("hang once", {**hang, "first": 1}, None, 2, stream, ("hang", "complete"), short),
            Case("slow headers", {"kind": "slow-headers", "delay": "100ms"}, None, 1, stream, ("complete",)),
            Case("content filter", {"kind": "content-filter"}, None, 1, stream, ("complete",)),
            Case("brown-out", {"kind": "brownout", "ttft_factor": 5, "per_token_factor": 3}, None, 1, stream, ("complete",)),
        ]
    for kind, whole, whole_attempts, end in (
        ("reset", "APIConnectionError", ATTEMPTS, "reset"),
        ("truncate", "APIConnectionError", ATTEMPTS, "truncated"),
        ("stream-error", "InternalServerError", ATTEMPTS, "stream_error"),
        ("malformed", "JSONDecodeError", 1, "malformed"),
        ("stall", "APITimeoutError", ATTEMPTS, "stalled"),
    ):
        client = short if kind == "stall" else {}
        cases.append(Case(kind, {"kind": kind}, whole, whole_attempts, False, (end,) * whole_attempts, client))
        cases.append(Case(kind, {"kind": kind}, stream_errors[kind], 1, True, (end,), client))
    return cases


def check(case: Case, ask: Any, handle: Any, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Run the case with ``ask(stream, **client options)`` and compare. Returns the seconds that the SDK slept between attempts."""
    handle.restart(case.fault)
    slept: list[float] = []
    raised: BaseException | None = None
    with monkeypatch.context() as patch:
        patch.setattr("time.sleep", slept.append)
        try:
            ask(case.stream, **case.client)
        except Exception as error:
            raised = error
    if case.raises is None:
        assert raised is None, f"{type(raised).__name__}: {raised}"
    else:
        assert case.raises in [base.__name__ for base in type(raised).__mro__], f"{type(raised)}: {raised}"
    rows = handle.settled(case.attempts)
    assert [row["end"] for row in rows] == list(case.ends)
    assert [row["sdk_retry"] for row in rows] == list(range(case.attempts)), "the SDK labels its attempts"
    assert [row["occurrence"] for row in rows] == list(range(case.attempts))
    assert len(slept) == case.attempts - 1
    assert all(0.75 * min(0.5 * 2**n, 8) <= pause <= min(0.5 * 2**n, 8) for n, pause in enumerate(slept)), slept
    return slept
