"""What one key may do: limits on requests and tokens."""

from __future__ import annotations

from typing import Any

import pytest

from sim.provider.rate_limits import charge
from tests.sim.provider.calls import Call, Clock, scenario


class Key:
    """``wait_s``: None and the attempt charged, or the seconds after which to come back."""

    def __init__(self, limits: dict[str, Any]) -> None:
        self.p = Clock(scenario(limits=limits)).p

    def wait_s(self, now_s: float, input_tokens: int, output_tokens: int, cached_tokens: int = 0) -> float | None:
        c = Call(input_tokens=input_tokens, answer_tokens=output_tokens, plan_cached_tokens=cached_tokens)
        return None if charge(self.p, c, self.p.providers[0], now_s) else c.plan_retry_after_s


def test_a_token_limit_charges_the_reserve() -> None:
    key = Key({"tokens": "1000/min", "reserve": 400})
    assert [key.wait_s(0.0, 50, 10) is None for _ in range(3)] == [True, True, False]


def test_a_window_has_its_part_of_the_limit() -> None:
    azure = Key({"requests": "60/min", "window": "10s", "algorithm": "fixed-window"})
    assert [azure.wait_s(0.1, 1, 1) is None for _ in range(11)] == [True] * 10 + [False]
    assert azure.wait_s(0.1, 1, 1) == pytest.approx(9.9)


def test_input_and_output_tokens_have_limits_of_their_own_and_cache_reads_are_free() -> None:
    key = Key({"input_tokens": "1000/min", "output_tokens": "100/min"})
    assert key.wait_s(0.0, 5000, 40, 4500) is None
    assert key.wait_s(0.0, 500, 40) is None
    assert key.wait_s(0.0, 100, 1) == pytest.approx(6.0), "a tenth of the input tokens of a minute"
    assert key.wait_s(0.0, 0, 40) == pytest.approx(12.0)
