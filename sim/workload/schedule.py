"""The open-loop schedule: every request of a run, computed before the run starts. Model and load generator share it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.scenario.errors import Problem, ScenarioError
from sim.scenario.model import Closed, Scenario, Trace, Workload
from sim.stochastics.random_streams import Purpose, replication_seed, uniforms
from sim.workload.arrivals import arrivals_between
from sim.workload.calls import CallDraws, population
from sim.workload.conversations import conversation_calls
from sim.workload.trace import replay


@dataclass(frozen=True)
class Schedule:
    """Columns over n requests in order of arrival.

    ``arrival_s`` float64, seconds from the start of the run (warm-up included), sorted, below ``duration_s``; ``kind`` int16, index into
    ``workload.requests``; ``user``, ``conversation``, ``prompt`` int64; ``turn`` int32, from 0; ``input_tokens``, ``output_tokens``
    int32, of this turn alone, ≥ 1. Prompts of catalogs are numbered first, class by class; request i's own prompt has the number
    ``catalogs + i``.
    Earlier turns that request i sends along are ``history(i)``: each the input plus output tokens of one turn, oldest first, whether
    that turn lies in the run or before it. There are ``history_turns[i]`` (int32) of them: ``turn[i]``, or 0 where the class
    takes no history (its turns still are history to later ones). They are stored once for each conversation, in ``history_tokens``
    (int32) from ``history_start[i]`` (int64).
    """

    duration_s: float
    arrival_s: np.ndarray
    kind: np.ndarray
    user: np.ndarray
    conversation: np.ndarray
    turn: np.ndarray
    prompt: np.ndarray
    input_tokens: np.ndarray
    output_tokens: np.ndarray
    history_start: np.ndarray
    history_turns: np.ndarray
    history_tokens: np.ndarray

    def __len__(self) -> int:
        return len(self.arrival_s)

    def history(self, request: int) -> np.ndarray:
        start = self.history_start[request]
        return self.history_tokens[start : start + self.history_turns[request]]


def build_schedule(scenario: Scenario, scale: float = 1.0, replication: int = 0, seed: int | None = None) -> Schedule:
    """All requests of one replication at one scale, which multiplies the rate of calls and the number of users.

    A pure function of its arguments (``seed`` defaults to the scenario's). Raises ScenarioError for a closed workload (its requests
    depend on the answers: ``ClosedWorkload``), for a trace that cannot be read, and for schedules too large to hold.
    """
    workload = scenario.workload
    seed = replication_seed(scenario.seed if seed is None else seed, replication)
    if isinstance(workload.arrivals, Closed):
        raise ScenarioError([Problem("scenario", "a closed workload has no schedule", path="workload.arrivals.kind")])
    if isinstance(workload.arrivals, Trace):
        return trace_schedule(workload, workload.arrivals, scale, seed)
    if workload.conversations is not None:
        calls = conversation_calls(workload.arrivals, workload.conversations, seed, scale, workload.duration)
        at_s, conversation, turn, batch = calls
    else:
        conversation, at_s, batch = arrivals_between(workload.arrivals, seed, Purpose.ARRIVAL_GAP, scale, 0.0, workload.duration)
        turn = np.zeros(len(at_s), np.int32)
    draws = CallDraws(workload, seed)
    call = call_numbers(at_s, conversation, turn)
    kind = draws.kinds(call)
    prompt = draws.prompts(kind, np.where(call >= 0, draws.unique_from + call, call), call)
    tokens = draws.tokens(kind, prompt)
    user = users(workload, scale, seed, batch)
    return assemble(workload, workload.duration, at_s, kind, user, conversation, turn, prompt, *tokens)


def call_numbers(at_s: np.ndarray, conversation: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """What the draws of each call are keyed by (int64): its position in the run; for one before the run, which is only history, a
    negative number of its own that depends on nothing else (ids stay below 2^49, and turns below 2^14 = 16,384 > MAX_TURNS).
    """
    before = int(np.searchsorted(at_s, 0.0))
    earlier = -1 - ((conversation[:before] << 14) + turn[:before])
    return np.concatenate([earlier, np.arange(len(at_s) - before)])


def trace_schedule(workload: Workload, arrivals: Trace, scale: float, seed: int) -> Schedule:
    if workload.conversations is not None:
        message = "a trace says when every call comes, so its calls cannot be grouped into conversations; remove this"
        raise ScenarioError([Problem("scenario", message, path="workload.conversations")])
    calls = replay(arrivals, scale, seed, workload.duration)
    draws = CallDraws(workload, seed)
    call = np.arange(len(calls.at_s))
    kind = draws.kinds(call)
    prompt = draws.prompts(kind, draws.unique_from + calls.prompt, call)
    shared = draws.from_catalog(prompt)
    # Identical prompts have identical tokens: a catalog's prompt takes the sizes of a call of the trace that the prompt draws.
    rows = (uniforms(seed, Purpose.INPUT_TOKENS, prompt[shared]) * len(calls.trace)).astype(np.int64)
    row = calls.row.copy()
    row[shared] = rows
    tokens = calls.trace.input_tokens[row], calls.trace.output_tokens[row]
    user = users(workload, scale, seed, call)
    return assemble(workload, calls.duration_s, calls.at_s, kind, user, call, np.zeros(len(call), np.int32), prompt, *tokens)


def users(workload: Workload, scale: float, seed: int, batch: np.ndarray) -> np.ndarray:
    """The user of each conversation, or of all that began together; each user is as likely as the others."""
    return (uniforms(seed, Purpose.USER, batch) * population(workload, scale)).astype(np.int64)


def assemble(
    workload: Workload,
    duration_s: float,
    at_s: np.ndarray,
    kind: np.ndarray,
    user: np.ndarray,
    conversation: np.ndarray,
    turn: np.ndarray,
    prompt: np.ndarray,
    input_tokens: np.ndarray,
    output_tokens: np.ndarray,
) -> Schedule:
    """The schedule of the calls from time zero on, those before it being history only. Turns of a conversation are all there, from 0."""
    start, tokens = histories(conversation, turn, input_tokens + output_tokens)
    remembers = np.array([request.brings_history for request in workload.requests])
    run = slice(int(np.searchsorted(at_s, 0.0)), None)
    return Schedule(
        duration_s=duration_s,
        arrival_s=at_s[run],
        kind=kind[run],
        user=user[run],
        conversation=conversation[run],
        turn=turn[run],
        prompt=prompt[run],
        input_tokens=input_tokens[run],
        output_tokens=output_tokens[run],
        history_start=start[run],
        history_turns=np.where(remembers[kind[run]], turn[run], 0).astype(np.int32),
        history_tokens=tokens,
    )


def histories(conversation: np.ndarray, turn: np.ndarray, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tokens of every call by conversation and turn (int32), and for each call where its conversation begins there (int64)."""
    if not turn.any():
        return np.zeros(len(turn), np.int64), np.zeros(0, np.int32)
    longest = np.zeros(int(conversation.max()) + 1, np.int64)
    np.maximum.at(longest, conversation, turn + 1)
    start = (np.cumsum(longest) - longest)[conversation]
    stored = np.zeros(len(tokens), np.int32)
    stored[start + turn] = tokens
    return start, stored
