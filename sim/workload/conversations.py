"""Conversations: calls grouped into turns with thinking in between, some of them under way when the run starts."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from sim.scenario.distributions import Distribution
from sim.scenario.model import Conversations, Gamma, Poisson, Stages, Users
from sim.stochastics.distributions import Inverse, inverse
from sim.stochastics.random_streams import Purpose, uniforms
from sim.workload.arrivals import arrivals_between
from sim.workload.calls import whole, whole_mean

MAX_TURNS = 10_000
MAX_LOOKBACK_S = 30 * 86400.0
MISSED = 1e-4  # share of calls so late in their conversation that the look-back misses them at time zero
SAMPLE_CALLS = 1 << 17


class ConversationCalls(NamedTuple):
    """Columns over calls: ``at_s`` float64, rising; ``conversation`` int64; ``turn`` int32; ``batch`` int64, an id alike in all
    conversations that began together.
    """

    at_s: np.ndarray
    conversation: np.ndarray
    turn: np.ndarray
    batch: np.ndarray


def conversation_calls(
    arrivals: Poisson | Gamma | Stages | Users, conversations: Conversations, seed: int, scale: float, duration_s: float
) -> ConversationCalls:
    """All calls before ``duration_s`` of every conversation that has a call in the run; calls before time zero included, for they are
    its history.

    Conversations start at rate / mean turns, so that calls come at the stated rate; a changing rate reaches the calls smoothed by the
    length of conversations.
    """
    factor = scale / mean_turns(conversations.turns)
    begun = arrivals_between(arrivals, seed, Purpose.CONVERSATION_START, factor, -lookback_s(conversations), duration_s)
    ids = identities(begun.number)
    levels = list(turn_by_turn(conversations, seed, ids, begun.at_s, duration_s))
    at_s = np.concatenate([at for _, at, _ in levels])
    row = np.concatenate([rows for rows, _, _ in levels])
    turn = np.concatenate([np.full(len(at), number, np.int32) for _, at, number in levels])
    alive = np.zeros(len(ids), bool)
    alive[row[at_s >= 0]] = True
    kept = np.flatnonzero(alive[row])
    kept = kept[np.argsort(at_s[kept], kind="stable")]  # simultaneous calls: earlier turns, then older conversations first
    return ConversationCalls(at_s[kept], ids[row[kept]], turn[kept], identities(begun.batch)[row[kept]])


def identities(numbers: np.ndarray) -> np.ndarray:
    """Ids that do not depend on how far back one looks: 0, 2, 4 … start in the run, 1, 3, 5 … before it."""
    return np.where(numbers >= 0, 2 * numbers, -2 * numbers - 1)


def turn_by_turn(
    conversations: Conversations, seed: int, ids: np.ndarray, starts_s: np.ndarray, end_s: float
) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """(rows of ``ids``, times, turn) of every first call, then of every second, and so on while any comes before ``end_s``."""
    turns = whole(inverse(conversations.turns)(uniforms(seed, Purpose.TURNS, ids)), MAX_TURNS)
    think: Inverse = inverse(conversations.think)
    rows, at_s, turn = np.arange(len(ids)), starts_s, 0
    while len(rows) or turn == 0:
        yield rows, at_s, turn
        turn += 1
        going_on = turns[rows] > turn
        rows, at_s = rows[going_on], at_s[going_on]
        at_s = at_s + think(uniforms(seed, Purpose.THINK, ids[rows], turn))
        in_time = at_s < end_s
        rows, at_s = rows[in_time], at_s[in_time]


def mean_turns(law: Distribution) -> float:
    return whole_mean(law, MAX_TURNS)


@lru_cache(maxsize=64)
def lookback_s(conversations: Conversations) -> float:
    """How long before the run conversations have to start for the stated rate to hold from its start.

    A call comes some time after its conversation started; with a look-back of L, calls later than L after their start are missing at
    time zero. L is the 1 - MISSED quantile of that time over the calls of sampled conversations, at most MAX_LOOKBACK_S.
    """
    count = int(np.clip(SAMPLE_CALLS / mean_turns(conversations.turns), 256, SAMPLE_CALLS))
    ages = [at_s for _, at_s, _ in turn_by_turn(conversations, 0, np.arange(count), np.zeros(count), MAX_LOOKBACK_S)]
    return float(np.quantile(np.concatenate(ages), 1 - MISSED, method="higher"))
