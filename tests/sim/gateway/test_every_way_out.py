"""Whatever happens to calls, each stage that one has entered is left exactly once, inside out, and nothing stays taken."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sim.gateway import chain
from tests.examples import examples
from tests.sim.gateway.by_hand import ByHand
from tests.sim.gateway.test_parts import EVERYTHING
from tests.sim.tiny import scenario

BREAKER = {"window_size": 2, "minimum_calls": 2, "open_for": "3s", "half_open_calls": 1}
WITHOUT = st.sets(st.sampled_from(["cpu_per_request", "sessions", "timeout", "cache", "queue", "hedge", "breaker", "limits"]), max_size=4)
GATEWAYS = st.builds(
    lambda without, fallback, more: (
        {name: words for name, words in (EVERYTHING | more).items() if name not in without}
        | {"fallback": [step for step in fallback if step != "stale-cache" or "cache" not in without]}
    ),
    WITHOUT,
    st.sampled_from([["next-provider", "canned"], ["next-provider"], ["stale-cache", "canned"], []]),
    st.sampled_from([{}, {"timeout": {"total": "4s"}}, {"retry": {"attempts": 3, "to": "next"}}, {"breaker": BREAKER}]),
)
ARRIVAL = st.fixed_dictionaries(
    {
        "prompt": st.integers(0, 2), "conversation": st.integers(0, 1), "user": st.integers(0, 1), "priority": st.sampled_from([0, 9]),
        "leaves_s": st.sampled_from([3.0, 7.0, float("inf")]), "cpu_demand_s": st.sampled_from([0.0, 0.5]),
        "lookup_s": st.sampled_from([0.0, 0.5]), "streams": st.booleans(),
    }
)  # fmt: skip
HAPPENINGS = st.sampled_from(["time", "answer", "fail", "refuse", "break", "show", "depart"])
EVENTS = st.lists(st.tuples(st.sampled_from([0.0, 0.5, 2.0]), ARRIVAL | HAPPENINGS, st.integers(0, 9)), max_size=40)


class Recorded:
    """A gateway whose hooks keep for each call the stages that it is in."""

    def __init__(self, gateway: dict[str, Any]) -> None:
        self.hand = ByHand(scenario(gateway=gateway))
        self.inside: dict[Any, list[int]] = defaultdict(list)
        path = self.hand.g.path
        places = range(len(path.enter))
        enters = tuple(self.entering(place, path.enter[place]) for place in places)
        leaves = tuple(self.leaving(place, path.leave[place]) for place in places)
        ways_out = tuple(leaves[place::-1] for place in places)
        self.hand.g.path = replace(path, enter=enters, leave=leaves, ways_out=ways_out)

    def entering(self, place: int, hook: Any) -> Any:
        def enter(g: Any, c: Any, now_s: float) -> int:
            inside = self.inside[c]
            assert place == (inside[-1] if inside else c.floor) + 1, "stages are entered in their order"
            inside.append(place)
            return chain.CONTINUE if hook is None else hook(g, c, now_s)

        return enter

    def leaving(self, place: int, hook: Any) -> Any:
        def leave(g: Any, c: Any, now_s: float) -> None:
            assert self.inside[c].pop() == place, "the innermost is left first"
            if hook is not None:
                hook(g, c, now_s)

        return leave

    def play(self, events: list[Any]) -> None:
        now_s = 0.0
        for after_s, what, which in events:
            now_s += after_s
            if isinstance(what, dict):
                self.hand.start(now_s, **what | {"leaves_s": now_s + what["leaves_s"]})
            else:
                self.happen(what, which, now_s)
        while calls := self.under_way():
            now_s += 1.0
            self.happen("depart", 0, now_s) if calls[0].parent < 0 else self.happen("answer", 0, now_s)

    def under_way(self) -> list[Any]:
        free = set(self.hand.g.free)
        return [c for slot, c in enumerate(self.hand.g.calls) if slot not in free and c.verdict < 0]

    def happen(self, what: str, which: int, now_s: float) -> None:
        hand, calls = self.hand, self.under_way()
        performing = [c for c in calls if c.performing]
        if what == "time":
            due = [c for c in calls if not c.performing and min(c.until_s, c.leaves_s) <= now_s]
            for c in due[:1]:
                hand.resume(c, now_s)
        elif what == "depart":
            whole = [c for c in calls if c.parent < 0]
            if whole:
                hand.depart(whole[which % len(whole)], now_s)
        elif performing:
            c = performing[which % len(performing)]
            if what == "show" and c.streams and c.parent >= 0:
                hand.show(c, now_s)
            elif what == "break":
                hand.answer(c, now_s, status=0, first_s=0.0)
            elif what != "show":
                hand.answer(c, now_s, status={"answer": 200, "fail": 503, "refuse": 401}[what])


@settings(max_examples=examples(80), deadline=None)
@given(GATEWAYS, EVENTS)
def test_every_stage_entered_is_left_once_and_nothing_stays_taken(gateway, events):
    recorded = Recorded(gateway)
    recorded.play(events)
    assert not any(recorded.inside.values())
    assert recorded.hand.is_idle()
    whole = [c for c in recorded.hand.ended if c.parent < 0]
    assert len(whole) == sum(isinstance(what, dict) for _, what, _ in events), "every call has ended, and once"
    assert all(c.cost_usd >= 0 and c.latency_s >= 0 and c.attempts >= 0 for c in whole)
