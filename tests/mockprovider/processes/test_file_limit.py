"""The limit of open files, raised as far as it goes."""

from __future__ import annotations

import resource

import pytest

from mockprovider.processes import file_limit
from mockprovider.processes.file_limit import MOST, raise_file_limit


@pytest.mark.parametrize(
    ("soft", "hard", "then"),
    [(1024, 4096, 4096), (1024, resource.RLIM_INFINITY, MOST), (4096, 4096, 4096), (2 * MOST, 4 * MOST, 2 * MOST), (1024, 4 * MOST, MOST)],
)
def test_the_soft_limit_goes_up_to_the_hard_one_or_to_the_most(monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, then: int) -> None:
    now = [soft, hard]
    monkeypatch.setattr(file_limit.resource, "getrlimit", lambda _: tuple(now))
    monkeypatch.setattr(file_limit.resource, "setrlimit", lambda _, wanted: now.__setitem__(slice(None), wanted))
    assert raise_file_limit() == then == now[0]
    assert now[1] == hard


def test_a_system_that_refuses_leaves_the_limit_that_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("current limit exceeds maximum limit")

    monkeypatch.setattr(file_limit.resource, "getrlimit", lambda _: (256, resource.RLIM_INFINITY))
    monkeypatch.setattr(file_limit.resource, "setrlimit", refuse)
    assert raise_file_limit() == 256
