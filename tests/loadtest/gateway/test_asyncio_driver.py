"""The chain in real time, with attempts that do as they are told, on a virtual clock."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from loadtest.gateway.asyncio_driver import AsyncioDriver
from sim.data.outcomes import ABANDONED, ERROR, OK, TIMEOUT
from sim.data.statuses import CANCELLED, REFUSED, TIMED_OUT
from sim.gateway import chain
from sim.gateway.stages import retry
from tests.equivalence.virtual_loop import run
from tests.loadtest.gateway.fakes import scenario

Script = Callable[[AsyncioDriver, Any], Coroutine[Any, Any, int]]


class Scripted:
    def __init__(self, script: Script, driver: AsyncioDriver, c: Any) -> None:
        self.script, self.driver, self.c = script, driver, c

    async def run(self) -> int:
        return await self.script(self.driver, self.c)

    def cut(self) -> None:
        self.c.produced_tokens = 1


class Harness:
    def __init__(self, script: Script, policy: dict[str, Any] | None = None, targets: int = 1) -> None:
        self.attempts: list[tuple[int, int, float]] = []
        self.calls: list[Any] = []
        self.g = chain.build(scenario(policy, ("openai",) * targets), 0)
        self.driver = AsyncioDriver(
            self.g,
            lambda driver, c: Scripted(script, driver, c),
            self.calls.append,
            lambda c: self.attempts.append((c.target, c.status, c.attempt_s)),
            asyncio.get_running_loop().time,
        )
        self.number = 0

    async def serve(self, **request: Any) -> Any:
        self.number += 1
        return await self.driver.serve(None, request=self.number, **request)

    def assert_empty(self) -> None:
        assert len(self.g.free) == len(self.g.calls)
        assert [target.in_flight for target in self.g.targets.values()] == [0] * len(self.g.targets)
        if self.g.admission is not None:
            assert self.g.admission.in_service == self.g.admission.waiting == 0


async def answer(driver: AsyncioDriver, c: Any) -> int:
    await asyncio.sleep(1.0)
    driver.show(c)
    await asyncio.sleep(1.0)
    c.produced_tokens = 7
    return 200


async def hang(driver: AsyncioDriver, c: Any) -> int:
    await asyncio.sleep(1000.0)
    return 200


def test_an_answer_has_its_times_and_tokens() -> None:
    async def main() -> None:
        harness = Harness(answer)
        c = await harness.serve(user="somebody", prompt="anything hashable")
        assert (c.outcome, c.output_tokens) == (OK, 7)
        assert (c.ttft_s, c.latency_s, c.first_token_s, c.generation_s) == pytest.approx((1.0, 2.0, 1.0, 1.0))
        assert harness.calls == [c]
        harness.assert_empty()

    run(main)


def test_an_attempt_without_content_in_time_is_cut_and_one_with_it_goes_on_until_the_deadline() -> None:
    async def main() -> None:
        timeout = {"timeout": {"first_token": "1.5s", "total": "1.8s"}}
        harness = Harness(hang, timeout)
        c = await harness.serve()
        assert (c.outcome, c.latency_s) == (TIMEOUT, pytest.approx(1.5))
        assert harness.attempts == [(0, TIMED_OUT, pytest.approx(1.5))]
        harness.assert_empty()
        harness = Harness(answer, timeout)
        c = await harness.serve()
        assert (c.outcome, c.committed, c.latency_s) == (TIMEOUT, True, pytest.approx(1.8))
        harness.assert_empty()

    run(main)


def test_a_client_that_leaves_takes_its_attempt_along_and_gives_its_place_to_the_next() -> None:
    async def main() -> None:
        harness = Harness(answer, {"queue": {"concurrency": 1, "waiting": 5}})
        first, second = (asyncio.ensure_future(harness.serve()) for _ in range(2))
        await asyncio.sleep(1.5)
        first.cancel()
        c = await second
        assert first.cancelled()
        assert (c.outcome, c.queue_wait_s, c.latency_s) == (OK, pytest.approx(1.5), pytest.approx(3.5))
        assert [(status, attempt_s) for _, status, attempt_s in harness.attempts] == [(CANCELLED, pytest.approx(1.5)), (200, 2.0)]
        assert [each.outcome for each in harness.calls] == [ABANDONED, OK]
        harness.assert_empty()

    run(main)


def test_a_client_that_leaves_at_once_has_no_attempt_left_behind() -> None:
    async def main() -> None:
        harness = Harness(hang)
        task = asyncio.ensure_future(harness.serve())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert harness.attempts == [(0, CANCELLED, 0.0)]
        harness.assert_empty()
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main)


@pytest.mark.parametrize("streams", [True, False])
def test_of_two_attempts_side_by_side_the_loser_is_cancelled(streams: bool) -> None:
    async def second_is_faster(driver: AsyncioDriver, c: Any) -> int:
        return await (hang if c.target == 0 else answer)(driver, c)

    async def main() -> None:
        harness = Harness(second_is_faster, {"hedge": {"after": "1s", "at_most": 1, "to": "next"}}, 2)
        c = await harness.serve(streams=streams)
        assert (c.outcome, c.target, c.attempts, c.latency_s) == (OK, 1, 2, pytest.approx(3.0))
        assert c.ttft_s == pytest.approx(2.0 if streams else 3.0)
        assert sorted(harness.attempts) == [(0, CANCELLED, pytest.approx(2.0 if streams else 3.0)), (1, 200, pytest.approx(2.0))]
        harness.assert_empty()

    run(main)


def test_the_operating_systems_errors_are_refusals_and_anything_else_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def unreachable(driver: AsyncioDriver, c: Any) -> int:
        raise ConnectionResetError

    async def broken(driver: AsyncioDriver, c: Any) -> int:
        raise KeyError("a mistake")

    async def main() -> None:
        for script, broke in ((unreachable, False), (broken, True)):
            harness = Harness(script)
            c = await harness.serve()
            assert (c.outcome, c.broke) == (ERROR, broke)
            assert harness.attempts == [(0, REFUSED, 0.0)]
            harness.assert_empty()

    with caplog.at_level(logging.ERROR):
        run(main)
    assert [record.getMessage() for record in caplog.records] == ["an attempt of request 1 broke"]


@pytest.mark.parametrize("hook", ["enter", "leave"])
def test_a_stage_that_raises_ends_its_own_request_alone(hook: str, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        harness = Harness(answer, {"queue": {"concurrency": 2, "waiting": 5}})
        path, place = harness.g.path, chain.stages_passed(chain.used_by(harness.g)).index(retry)

        def raises(g: Any, c: Any, now_s: float) -> int:
            if c.request == 2:
                raise ZeroDivisionError
            return original(g, c, now_s) if original is not None else 0

        hooks = list(getattr(path, hook))
        original, hooks[place] = hooks[place], raises
        setattr(path, hook, tuple(hooks))
        ended = await asyncio.gather(*(harness.serve() for _ in range(4)))
        assert [c.outcome for c in ended] == [OK, ERROR, OK, OK]
        assert [c.broke for c in ended] == [False, True, False, False]
        assert len(harness.calls) == 4
        harness.assert_empty()

    with caplog.at_level(logging.ERROR):
        run(main)
    assert caplog.records[0].getMessage().startswith("request 2 broke the gateway at ")


def test_void_entries_do_not_gather_in_the_agenda() -> None:
    async def main() -> None:
        async def at_once(driver: AsyncioDriver, c: Any) -> int:
            await asyncio.sleep(0.001)
            return 200

        harness = Harness(at_once, {"timeout": {"total": "1h"}})
        for _ in range(5000):
            await harness.serve()
        assert len(harness.driver.agenda.entries) < 1100

    run(main)


def test_the_timers_of_stages_run_by_themselves_and_one_that_raises_is_not_set_again(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        rung: list[tuple[str, float]] = []

        def steady(g: Any, now_s: float) -> float:
            rung.append(("steady", now_s))
            return now_s + 2.0

        def breaks(g: Any, now_s: float) -> float:
            rung.append(("breaks", now_s))
            return 2.0 if now_s < 2.0 else 1.0 / 0.0

        g = chain.build(scenario(), 0)
        g.timers = (breaks, steady)
        driver = AsyncioDriver(g, lambda driver, c: Scripted(answer, driver, c), print, print, asyncio.get_running_loop().time)
        await asyncio.sleep(5.0)
        assert rung == [("breaks", 0.0), ("steady", 0.0), ("breaks", 2.0), ("steady", 2.0), ("steady", 4.0)]
        driver.start_clock(0.0)
        assert driver.now_s() == 0.0

    with caplog.at_level(logging.ERROR):
        run(main)
    assert [record.getMessage() for record in caplog.records] == ["the timer of a stage broke at 2.000 s and is not set again"]
