"""Conversations as chains of calls, of which each waits for the answer to the one before."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sim.workload.schedule import Schedule


class Chains(NamedTuple):
    """Over a schedule's calls: ``following`` int64, the next call of the same conversation, -1 after its last; ``think_s`` float64, from
    the answer before to this call; ``begins`` bool, the first of its conversation in this run, sent at its scheduled time.
    """

    following: np.ndarray
    think_s: np.ndarray
    begins: np.ndarray


def chains_of(schedule: Schedule) -> Chains:
    """The schedule has the times that calls would come at if every answer came at once, so thinking is what lies between them."""
    order = np.lexsort((schedule.turn, schedule.conversation))
    linked = np.flatnonzero(schedule.conversation[order][1:] == schedule.conversation[order][:-1])
    before, after = order[linked], order[linked + 1]
    following = np.full(len(schedule), -1, np.int64)
    following[before] = after
    think_s = np.zeros(len(schedule))
    think_s[after] = schedule.arrival_s[after] - schedule.arrival_s[before]
    begins = np.ones(len(schedule), bool)
    begins[after] = False
    return Chains(following, think_s, begins)
