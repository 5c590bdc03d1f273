"""What rate-limit headers say of a key, whatever the algorithm of its limits."""

from __future__ import annotations

import pytest

from mockprovider.dialects.base import Quota
from mockprovider.server.quotas import quotas
from sim.provider.behaviour import ProviderState
from tests.sim.provider.calls import scenario


@pytest.mark.parametrize(
    ("algorithm", "reset_s"), [("token-bucket", 2.5), ("sliding-log", 10.0), ("fixed-window", 4.0), ("anchored-window", 10.0)]
)
def test_one_request_of_four_a_window_leaves_three(algorithm: str, reset_s: float) -> None:
    state = ProviderState(scenario(keys=2, limits={"requests": "24/min", "window": "10s", "algorithm": algorithm}), "p", 1)
    state.begin(6.0, "m", 1, 1, 100, 11)
    used, *absent = quotas(state.limits(1), 6.0)
    assert used is not None
    assert (used.limit, used.remaining) == (4, 3)
    assert used.reset_s == pytest.approx(reset_s), "a bucket refills steadily, one in 2.5 s"
    assert absent == [None, None, None]
    assert quotas(state.limits(0), 6.0)[0] == Quota(4, 4, 0.0), "the other key"
