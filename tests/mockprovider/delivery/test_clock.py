"""Deadlines fire in order, on time, and on both timers alike."""

from __future__ import annotations

import asyncio
import sys
from time import monotonic

import pytest

from mockprovider.delivery.clock import SLACK_S, Deadlines, KernelTimer, LoopTimer

uvloop = pytest.importorskip("uvloop")
LOOPS = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


def run(portable: bool, loop: str, offsets_s: list[float]) -> tuple[type, list[tuple[int, float]]]:
    """-> (kind of timer, [(number, lateness)] in order of firing)."""

    async def main() -> tuple[type, list[tuple[int, float]]]:
        fired: list[tuple[int, float]] = []
        deadlines = Deadlines(asyncio.get_running_loop(), portable)
        begun_s = monotonic() + 0.02
        for number, offset_s in enumerate(offsets_s):
            deadlines.at(begun_s + offset_s, lambda now_s, i=number, at_s=begun_s + offset_s: fired.append((i, monotonic() - at_s)))
        while len(fired) < len(offsets_s):
            await asyncio.sleep(0.01)
        deadlines.close()
        return type(deadlines.timer), fired

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        return runner.run(main())


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("portable", [False, True])
def test_deadlines_fire_in_order_and_never_early(portable: bool, loop: str) -> None:
    offsets_s = [0.03, 0.01, 0.02, 0.01, 0.0, 0.0305, 0.0301]
    timer, fired = run(portable, loop, offsets_s)
    assert timer is (LoopTimer if portable or not sys.platform.startswith("linux") else KernelTimer)
    assert [number for number, _ in fired] == sorted(range(len(offsets_s)), key=lambda number: (offsets_s[number], number))
    late_s = sorted(late_s for _, late_s in fired)
    assert late_s[0] >= -SLACK_S
    assert late_s[0] < 0.01, "nor late, where nothing else held the processor"


def test_a_deadline_may_set_another_and_what_is_past_fires_at_once() -> None:
    async def main() -> list[str]:
        seen: list[str] = []
        deadlines = Deadlines(asyncio.get_running_loop())

        def first(now_s: float) -> None:
            seen.append("first")
            deadlines.at(now_s - 1, lambda _: seen.append("second"))

        deadlines.at(monotonic() - 5, first)
        while len(seen) < 2:
            await asyncio.sleep(0.01)
        deadlines.close()
        return seen

    assert asyncio.run(main()) == ["first", "second"]


def test_a_flood_of_deadlines_leaves_the_loop_its_turns() -> None:
    async def main() -> int:
        deadlines = Deadlines(asyncio.get_running_loop())
        turns, left = 0, 20_000

        def again(now_s: float) -> None:
            nonlocal left
            left -= 1
            if left > 0:
                deadlines.at(now_s, again)

        deadlines.at(monotonic(), again)
        while left > 0:
            await asyncio.sleep(0)
            turns += 1
        deadlines.close()
        return turns

    assert asyncio.run(main()) > 10
