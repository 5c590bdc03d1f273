"""Versions of contents are those whose changes the freshness stage goes by."""

from __future__ import annotations

from sim.gateway.contents import Contents
from sim.gateway.stages.freshness import changed
from tests.sim.gateway.by_hand import by_hand
from tests.sim.tiny import scenario

SIZES = {"tokens": {"input": {"kind": "constant", "value": 10}, "output": {"kind": "constant", "value": 5}}}
CLASSES = [
    {"name": "still", "share": 0.5, "prompts": {"catalog": 10}, **SIZES},
    {"name": "moving", "share": 0.5, "prompts": {"catalog": 20, "changes": "30s"}, **SIZES},
]


def test_a_version_is_higher_exactly_when_the_content_has_changed_in_between() -> None:
    hand = by_hand(changes={"requests": CLASSES}, cache=[{"kind": "exact", "ttl": "1m"}])
    contents = Contents(scenario(requests=CLASSES), 1)
    times = [0.0, 3.0, 29.9, 30.0, 61.0, 200.0]
    seen = []
    for prompt in range(10, 30):
        versions = [contents.version(prompt, at_s) for at_s in times]
        seen.append(versions[-1])
        for early in range(len(times)):
            for late in range(early, len(times)):
                assert (versions[late] > versions[early]) == changed(hand.g, 1, prompt, times[early], times[late])
    assert 4 < sum(seen) / 20 < 10, "200 s of changes every 30 s"


def test_contents_that_never_change_have_no_version() -> None:
    contents = Contents(scenario(requests=CLASSES), 1)
    assert [contents.version(prompt, 100.0) for prompt in (0, 9, 30, -5)] == [None] * 4
