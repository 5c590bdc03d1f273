"""A gateway without a driver: calls go on when a test says so, and their attempts end as a test says.

hand = by_hand(queue={"concurrency": 1, "waiting": 1})
first, second = hand.start(0.0), hand.start(0.0)
hand.answer(first, 1.0)
assert (first.state, second.state) == ("ok", "performing")
"""

from __future__ import annotations

from itertools import count
from math import nan
from typing import Any

from sim.data.outcomes import NAMES
from sim.data.statuses import CANCELLED, STREAMING
from sim.gateway import chain
from sim.gateway.call import PERFORM
from sim.gateway.hooks import free_slot, take_slot
from sim.gateway.stages.hedge import ended as fork_ended
from sim.gateway.stages.upstream import settle
from sim.kernel.containers import take_ready
from tests.sim.tiny import scenario


def by_hand(history: tuple[int, ...] = (), changes: dict[str, Any] | None = None, **gateway: Any) -> ByHand:
    """A gateway with these words, in front of the targets a/one and b/two; ``changes`` are those of ``tests.sim.tiny.scenario``."""
    return ByHand(scenario(gateway=gateway, **changes or {}), history)


def state_of(c: Any) -> str:
    if c.verdict >= 0:
        return NAMES[c.verdict]
    return "performing" if c.performing else "waiting"


class ByHand:
    def __init__(self, scenario: Any, history: tuple[int, ...] = ()) -> None:
        self.g = chain.build(scenario, 1, history)
        words = {"__slots__": ("verdict",), "state": property(state_of), "__eq__": object.__eq__, "__hash__": object.__hash__}
        self.call = type("HandCall", (chain.call_class(self.g),), words)
        self.numbers = count()
        self.ended: list[Any] = []
        self.resumed: list[Any] = []

    # ---- what happens to a call
    def start(self, at_s: float = 0.0, **fields: Any) -> Any:
        """A request arrives, with a number, a prompt and a conversation of its own unless ``fields`` say otherwise."""
        number = next(self.numbers)
        slot = take_slot(self.g)
        own = {"arrival_s": at_s, "request": number, "prompt": number, "conversation": number, "prompt_tokens": 10, "answer_tokens": 5}
        c = self.g.calls[slot] = self.call(slot=slot, **own | fields)
        return self.obey(c, chain.start(self.g, c, at_s), at_s)

    def time_comes(self, c: Any) -> Any:
        """The call has waited for as long as it said, or as its client does."""
        return self.resume(c, min(c.until_s, c.leaves_s))

    def answer(
        self, c: Any, at_s: float, status: int = 200, tokens: int = 5, first_s: float | None = None, retry_after_s: float = nan,
        cached: int = 0,
    ) -> Any:  # fmt: skip
        """The attempt of a call ends: with ``tokens``, ``cached`` ones of its input, and with its first content ``first_s`` after its start
        (by default at its end).
        """
        content = status == 200 or first_s is not None
        c.status, c.attempt_s, c.retry_after_s, c.attempt_cached = status, at_s - c.attempt_started_s, retry_after_s, cached
        c.attempt_first_s = (c.attempt_s if first_s is None else first_s) if content else nan
        c.billed_tokens, c.produced_tokens = (c.input_tokens, tokens) if content else (0, 0)
        self.attempt_over(c)
        return self.resume(c, at_s)

    def show(self, c: Any, at_s: float) -> Any:
        """The attempt has its first content."""
        c.status, c.attempt_first_s = STREAMING, at_s - c.attempt_started_s
        return self.resume(c, at_s)

    def depart(self, c: Any, at_s: float) -> Any:
        """The client leaves."""
        if c.performing:
            self.cut(c, at_s)
        return self.obey(c, chain.depart(self.g, c, at_s), at_s)

    def resume(self, c: Any, at_s: float) -> Any:
        return self.obey(c, chain.resume(self.g, c, at_s), at_s)

    # ---- what drivers do
    def obey(self, c: Any, verdict: int, at_s: float) -> Any:
        c.verdict = verdict
        c.performing = c.performing or verdict == PERFORM
        if verdict >= 0:
            self.call_ended(c, at_s)
        self.go_on(at_s)
        return c

    def tick(self, at_s: float) -> float:
        """The timer of the one stage that has one is due; when it will be next."""
        next_s = chain.tick(self.g, 0, at_s)
        self.go_on(at_s)
        return next_s

    def go_on(self, at_s: float) -> None:
        g = self.g
        while g.leavers.count or g.ready.length:
            if g.leavers.count:
                self.end_leaving(at_s)
            else:
                self.resumed.append(following := take_ready(g))
                self.resume(following, at_s)

    def call_ended(self, c: Any, at_s: float) -> None:
        self.end_leaving(at_s)
        self.ended.append(c)
        if c.parent >= 0:
            fork_ended(self.g, c)
        else:
            free_slot(self.g, c.slot)

    def end_leaving(self, at_s: float) -> None:
        g = self.g
        while g.leavers.count:
            g.leavers.count -= 1
            c = g.calls[g.leaving[g.leavers.count]]
            if not c.is_back:
                if c.performing:
                    self.cut(c, at_s)
                c.verdict = chain.depart(g, c, at_s)
                self.call_ended(c, at_s)

    def cut(self, c: Any, at_s: float) -> None:
        c.status, c.attempt_s = CANCELLED, at_s - c.attempt_started_s
        c.billed_tokens = c.produced_tokens = c.attempt_cached = 0
        self.attempt_over(c)

    def attempt_over(self, c: Any) -> None:
        assert c.performing
        c.performing = False
        settle(self.g, c)

    # ---- what tests ask
    def forks(self, c: Any) -> list[Any]:
        """Those of a call that are under way, the first one first."""
        return [self.g.calls[slot] for slot in (c.first, c.second) if slot >= 0]

    def is_idle(self) -> bool:
        """Whether every place that calls take has been given back."""
        g = self.g
        lines_empty = g.lines is None or not any(line.length for line in g.lines.values())
        admitted = 0 if g.admission is None else g.admission.in_service + g.admission.waiting
        asked = any(prompt.leader >= 0 or prompt.length for prompt in (g.prompts or {}).values())
        in_flight = any(target.in_flight for target in g.targets.values())
        return lines_empty and not admitted and not asked and not in_flight and sorted(g.free) == list(range(len(g.calls)))
