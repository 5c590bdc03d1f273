"""The way of a call through a gateway as straight-line code: made at the start of a run from the stages that the scenario uses, by partial
evaluation of ``chain.advance`` and of the simulated provider.

A new call runs ``start``; one that was woken at a place of the path ``woken[place]``. Both are cut where calls may wait: from there on
the same code serves those that waited and those that did not. Failures take the general way, ``climb``.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import MISSING, fields
from types import ModuleType
from typing import Any, NamedTuple

from sim.data.outcomes import FAILURES
from sim.engine.simpy_driver.partial_evaluation import Code, Evaluator, Frame, Known, NotWrittenOut, Value
from sim.engine.simpy_driver.sources import fields_read, functions_of, stored_in
from sim.gateway import chain, hooks
from sim.gateway.call import CONTINUE
from sim.gateway.stages import breaker, retry
from sim.kernel import containers
from sim.provider import (
    attempt,
    draws,
    fault_timeline,
    latency_effects,
    processor_sharing,
    prompt_cache,
    rate_limiter,
    rate_limits,
    simulated,
)

PROVIDER = (attempt, draws, fault_timeline, latency_effects, processor_sharing, prompt_cache, rate_limiter, rate_limits, simulated)
RARE = {
    chain.depart, simulated.cut, simulated.share, simulated.go_on_shared, simulated.end_shared, *functions_of(processor_sharing),
    attempt.refuse, attempt.strike, attempt.break_off, rate_limits.in_header, breaker.trip, breaker.judge_trial, breaker.move,
    retry.next_target,
}  # fmt: skip
"""What happens rarely stays a call: written out it would only take time to compile."""
LOAD = ast.Load()
C, NOW = Code(ast.Name("c", LOAD)), Code(ast.Name("now_s", LOAD))


class StraightLine(NamedTuple):
    """The driver's methods of these names."""

    arrive: Callable[..., None]
    run_until: Callable[..., None]


def straight_line(driver: Any, source: ModuleType, climb: Callable[..., int]) -> StraightLine:
    """For the driver's gateway and providers. ``source`` is the driver's own, ``climb(g, c, now_s, verdict)`` advances any call."""
    return Writer(driver, source, climb).write()


class Writer:
    def __init__(self, driver: Any, source: ModuleType, climb: Callable[..., int]) -> None:
        self.driver, self.g, self.climb = driver, driver.g, climb
        used = chain.used_by(driver.g)
        stored = stored_in((containers, chain, hooks, *used, *PROVIDER, source))
        self.sees_stage = {stage.__name__ for stage in used if "stage" in fields_read(stage)}
        self.forks = "floor" in stored
        self.evaluator = Evaluator(driver, stored, constants_of_calls(stored), RARE | {type(driver).end_leaving, type(driver).client_left})
        self.evaluator.instead = {
            type(driver).start: lambda c, now_s: called("from_0", c, now_s),
            type(driver).resume: lambda c, now_s: ast.Call(
                ast.Subscript(name("woken"), ast.Attribute(c, "stage", LOAD), LOAD), [c, now_s], []
            ),
            type(driver).go_on_ready: lambda: called("go_on_ready"),
        }
        self.c = Code(C.node, driver.g.calls)

    def write(self) -> StraightLine:
        path, evaluator = self.g.path, self.evaluator
        places = [place for place, hook in enumerate(path.woken) if hook is not None]
        evaluator.names["woken"] = woken = [None] * len(path.woken)
        made = [evaluator.function(f"from_{first}", "c, now_s", self.down(first)) for first in (0, *(place + 1 for place in places))]
        made += [evaluator.function(f"woken_{place}", "c, now_s", self.wake(place)) for place in places]
        made += [self.own("arrive", "request"), self.own("run_until", "until_s"), self.own("go_on_ready")]
        names = evaluator.compiled(made)
        woken[:] = [names.get(f"woken_{place}") for place in range(len(woken))]
        return StraightLine(names["arrive"], names["run_until"])

    def own(self, method: str, *parameters: str) -> ast.FunctionDef:
        """A method of the driver."""
        written = Known(getattr(self.driver, method))
        given: list[Value] = [Code(name(each)) for each in parameters]
        try:
            text = self.evaluator.text(written.value, given, lambda frame, value: [ast.Return(None)], False)
        except NotWrittenOut:
            text = self.then(written, *given)
        return self.evaluator.function(method, ", ".join(parameters), text)

    def then(self, function: Value, *arguments: Value) -> list[ast.stmt]:
        """Do this, and return."""
        text: list[ast.stmt] = []
        frame = Frame(-1, {}, {}, lambda frame, value: [], False, {}, ())
        result = self.evaluator.call(frame, function, *arguments, before=text, used=False)
        return [*text, *([ast.Expr(result.node)] if isinstance(result, Code) else []), ast.Return(None)]

    def down(self, first: int) -> list[ast.stmt]:
        """From the stage at ``first`` down to the next at which calls may wait."""
        done: list[ast.stmt] = []
        for place in range(first, len(self.g.path.enter)):
            enter = self.g.path.enter[place]
            if enter is not None:
                if enter.__module__ in self.sees_stage:
                    done.append(self.at(place))
                done += self.passing(place, enter)
            if self.g.path.woken[place] is not None and place + 1 < len(self.g.path.enter):
                return [*done, ast.Return(called(f"from_{place + 1}", C.node, NOW.node))]
        return done

    def wake(self, place: int) -> list[ast.stmt]:
        done = self.passing(place, self.g.path.woken[place])
        return done if place + 1 == len(self.g.path.enter) else [*done, ast.Return(called(f"from_{place + 1}", C.node, NOW.node))]

    def at(self, place: int) -> ast.stmt:
        return ast.Assign([ast.Attribute(C.node, "stage", ast.Store())], ast.Constant(place))

    def passing(self, place: int, hook: Callable[..., int]) -> list[ast.stmt]:
        """The hook's text, which goes on below where the hook says CONTINUE, and returns where it says anything else."""
        arguments: list[Value] = [Known(self.g), self.c, NOW]
        try:
            text = self.evaluator.text(hook, arguments, lambda frame, value: self.said(place, value), True)
        except NotWrittenOut:
            verdict = Code(ast.Call(self.evaluator.code(Known(hook)), [self.evaluator.code(each) for each in arguments], []))
            text = self.said(place, verdict)
        if isinstance(text[-1], ast.Break) and sum(isinstance(node, ast.Break) for each in text for node in ast.walk(each)) == 1:
            return text[:-1]
        return [ast.While(ast.Constant(True), text, [])]

    def said(self, place: int, verdict: Value) -> list[ast.stmt]:
        if isinstance(verdict, Known):
            if verdict.value == CONTINUE:
                return [ast.Break()]
            if verdict.value < CONTINUE:
                return [self.at(place), *self.obey(verdict)]
            if verdict.value < FAILURES and not self.forks:
                return self.way_out(place, verdict.value)
            return [self.at(place), *self.obey(self.climbing(verdict))]
        said = Code(name("verdict"))
        goes_on = ast.If(ast.Compare(said.node, [ast.Eq()], [ast.Constant(CONTINUE)]), [ast.Break()], [])
        rises = ast.If(ast.Compare(said.node, [ast.Gt()], [ast.Constant(CONTINUE)]), self.obey(self.climbing(said)), [])
        given = ast.Assign([ast.Name("verdict", ast.Store())], self.evaluator.code(verdict))
        return [given, goes_on, self.at(place), rises, *self.obey(said)]

    def obey(self, verdict: Value) -> list[ast.stmt]:
        if isinstance(verdict, Known):
            return self.then(Known(self.driver.obey), self.c, verdict)
        return [
            ast.Expr(ast.Call(self.evaluator.code(Known(self.driver.obey)), [C.node, self.evaluator.code(verdict)], [])),
            ast.Return(None),
        ]

    def climbing(self, verdict: Value) -> Value:
        arguments: list[Value] = [Known(self.g), self.c, NOW, verdict]
        return Code(ast.Call(self.evaluator.code(Known(self.climb)), [self.evaluator.code(each) for each in arguments], []))

    def way_out(self, place: int, outcome: int) -> list[ast.stmt]:
        """With an answer, past the ``leave`` hooks only."""
        evaluator = self.evaluator
        done = ast.parse(f"if c.outcome != {outcome}: c.outcome, c.decided_by = {outcome}, {place}").body
        evaluator.of_call["outcome"] = outcome
        for leave in self.g.path.ways_out[place]:
            done += self.then(Known(leave), Known(self.g), self.c, NOW)[:-1]
        done += [self.at(-1), *self.then(Known(chain.end), self.c, NOW)[:-1]]
        del evaluator.of_call["outcome"]
        return done + self.obey(Known(outcome))


def name(of: str) -> ast.expr:
    return ast.Name(of, LOAD)


def called(function: str, *arguments: ast.expr) -> ast.expr:
    return ast.Call(name(function), list(arguments), [])


def constants_of_calls(stored: set[str]) -> dict[str, Any]:
    """What the fields of calls hold that nobody ever stores, those of stages not used among them."""
    parts: list[Any] = [stage.Call for stage in chain.STAGES if hasattr(stage, "Call")]
    drawn = {"slot"}
    return {
        item.name: item.default
        for part in (chain.call.Call, *parts, attempt.Call)
        for item in fields(part)
        if item.name not in stored and item.name not in drawn and item.default is not MISSING
    }
