"""The model leaves targets out as the real gateways did that ``record.py`` has recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sim.gateway.hooks import permits
from tests.loadtest.targets.fitting import fitting
from tests.loadtest.targets.record import CASES, RECORDED
from tests.sim.gateway.by_hand import ByHand

APART_S = 0.45  # hits that are further apart belong to different bursts


def recorded(name: str) -> list[Any]:
    calls: list[Any] = json.loads((RECORDED / f"{name}.json").read_text())["calls"]
    return calls


def modelled(name: str, tmp_path: Path, after_s: float) -> list[Any]:
    """The same calls in the model, ``after_s`` later (where sweeps and checks are on their grids), as ``record.py`` keeps them."""
    _, words, _, _, (from_s, to_s), status = CASES[name]
    hand, kept = ByHand(fitting(tmp_path, *words).scenario), []
    for at_s, _, _ in recorded(name):
        c, asked = hand.start(at_s + after_s), []
        while c.state in ("performing", "waiting"):
            if c.state == "performing":
                asked.append("pq"[c.aim])
                hand.answer(c, at_s + after_s, status=status if c.aim == 0 and from_s <= at_s < to_s else 200)
            else:
                hand.time_comes(c)
        kept.append([at_s, 200 if c.state == "ok" else status, asked])
    return kept


def bursts(calls: list[Any]) -> list[tuple[float, int]]:
    """When calls to ``p`` began to come, and how many."""
    found: list[list[float]] = []
    for at_s, _, asked in calls:
        if "p" in asked:
            if found and at_s - found[-1][-1] < APART_S:
                found[-1].append(at_s)
            else:
                found.append([at_s])
    return [(burst[0], len(burst)) for burst in found]


@pytest.mark.parametrize(
    ("name", "after_s", "most_apart_s", "most_hits"),
    [
        ("haproxy", 0.0, 0.3, 1),
        ("nginx", 0.5, 0.3, 0),
        ("nginx-one-attempt", 0.0, 0.1, 1),
        ("envoy", 0.45, 0.3, 1),
        ("envoy-at-most", 0.0, 0.1, 1),
        ("ferrogw", 0.0, 0.1, 0),
        ("ferrogw-lone", 0.0, 0.1, 0),
        ("ferrogw-404", 0.0, 0.1, 0),
        ("ferrogw-slowly", 0.0, 0.1, 0),
        ("ferrogw-429", 0.0, 0.25, 0),  # two turns, each to be told by calls 0.1 s apart
        ("ferrogw-429-retried", 0.0, 0.25, 0),
    ],
)
def test_a_failing_target_is_asked_when_it_was_asked_in_reality(name, after_s, most_apart_s, most_hits, tmp_path) -> None:
    theirs, ours = bursts(recorded(name)), bursts(modelled(name, tmp_path, after_s))
    assert len(ours) == len(theirs), (ours, theirs)
    for (our_s, our_hits), (their_s, their_hits) in zip(ours[:-1], theirs[:-1], strict=True):
        assert our_s == pytest.approx(their_s, abs=most_apart_s)
        assert abs(our_hits - their_hits) <= most_hits
    assert ours[-1][0] == pytest.approx(theirs[-1][0], abs=most_apart_s)


@pytest.mark.parametrize(
    "name", ["haproxy", "nginx", "nginx-one-attempt", "envoy", "envoy-at-most", "ferrogw", "ferrogw-lone", "ferrogw-404"]
)
def test_as_many_clients_are_told_of_failures_as_in_reality(name, tmp_path) -> None:
    def failed(calls: list[Any]) -> int:
        return sum(status != 200 for _, status, _ in calls)

    assert failed(modelled(name, tmp_path, 0.45)) == pytest.approx(failed(recorded(name)), abs=3)


@pytest.mark.parametrize("name", ["litellm", "litellm-429", "litellm-allowed"])
def test_a_deployment_cools_down_when_it_did_in_reality(name, tmp_path) -> None:
    """LiteLLM draws deployments at random, so the model is told which one it took: one that cools down in the model is not among them, but
    for the time that a result takes to be counted, and one that does not cool down is not left out for long.
    """
    _, words, _, _, _, status = CASES[name]
    hand = ByHand(fitting(tmp_path, *words).scenario)
    g, left_out, longest, told_late = hand.g, 0, 0, 0
    for at_s, seen, asked in recorded(name):
        may = permits(g, 0, at_s)
        if "p" in asked:
            told_late += not may
        left_out = left_out + 1 if may and "p" not in asked else 0
        longest = max(longest, left_out)
        c = hand.start(at_s)
        for target in asked:
            judged(hand, c, "pq".index(target), 200 if seen == 200 else status, at_s)
    assert told_late <= 1
    assert longest <= 12, "one in 4,000 that chance does it"
    assert any(event[2] == 0 for event in g.events), "it cooled down at all"


def judged(hand: ByHand, c: Any, target: int, status: int, at_s: float) -> None:
    """The call's attempt was at this target, wherever the model would have sent it."""
    c.aim = target
    hand.answer(c, at_s, status=status)
