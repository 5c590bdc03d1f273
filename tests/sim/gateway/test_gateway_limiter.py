"""The limits of a gateway's users: what it knows of them is bounded, however many names its clients invent."""

import pytest

from sim.gateway.assembled import Limiter
from sim.scenario.model import Limits


def one_a_minute() -> Limiter:
    return Limiter(Limits.model_validate({"requests": "1/min"}))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.gateway.assembled.MOST_KNOWN", 100)
    monkeypatch.setattr("sim.gateway.assembled.FORGOTTEN", 10)


@pytest.mark.usefixtures("small")
def test_invented_users_do_not_fill_the_memory() -> None:
    limiter = one_a_minute()
    for user in range(1000):
        assert limiter.admits(user, 0.0, 1)
        assert len(limiter.requests) <= 100


@pytest.mark.usefixtures("small")
def test_the_oldest_are_forgotten_and_the_others_are_not() -> None:
    limiter = one_a_minute()
    for user in range(101):
        limiter.admits(user, 0.0, 1)
    assert not limiter.admits(50, 0.0, 1)
    assert not limiter.admits(100, 0.0, 1)
    assert limiter.admits(0, 0.0, 1)


def test_users_are_remembered_while_there_is_room() -> None:
    limiter = one_a_minute()
    assert limiter.admits(1, 0.0, 1)
    for user in range(2, 5000):
        limiter.admits(user, 0.0, 1)
    assert not limiter.admits(1, 0.0, 1)
