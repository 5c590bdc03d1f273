"""Before the mocks are asked what they saw: work whose client has left goes on."""

from __future__ import annotations

import itertools
import json

import pytest

from loadtest.measurement import verify


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which only sleeping lets pass."""
    now = [0.0]
    monkeypatch.setattr(verify.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(verify.time, "sleep", lambda for_s: now.__setitem__(0, now[0] + for_s))
    return now


@pytest.mark.parametrize(("backlog", "at_s"), [(False, 0.3), (True, 2.3)])
def test_a_backlog_is_waited_for_though_the_mocks_are_idle_now_and_then(
    backlog: bool, at_s: float, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    serving = itertools.chain([1] * 3, [0] * 5, [1] * 5, itertools.repeat(0))
    monkeypatch.setattr(verify, "fetch", lambda name, url: json.dumps({"serving": next(serving)}))
    verify.settle({"p": "http://mock"}, backlog)
    assert clock[0] == pytest.approx(at_s, abs=0.15)


def test_a_backlog_without_an_end_is_given_up(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "fetch", lambda name, url: json.dumps({"serving": 1}))
    verify.settle({"p": "http://mock"}, True)
    assert clock[0] == pytest.approx(verify.SETTLE_S, abs=0.15)
