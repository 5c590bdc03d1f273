"""The open-loop schedule: every request of a run, computed before the run starts. Model and load generator share it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np



@dataclass(frozen=True)
class Schedule:
    """Columns over n requests in order of arrival.

    ``arrival_s`` float64, seconds from the start of the run (warm-up included), sorted; ``kind`` int16, index into
    ``workload.requests``; ``user``, ``conversation``, ``prompt`` int64; ``turn`` int32, from 0; ``input_tokens``,
    ``output_tokens`` int32, of this turn alone, ≥ 1. Prompts of a catalog are numbered first, then the unique ones.
    ``history`` int32 offsets: request i's earlier turns are ``history_tokens[history_start[i] : history_start[i] + turn[i]]``,
    each the input plus output tokens of one earlier turn, oldest first.
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
    history_tokens: np.ndarray

    def __len__(self) -> int:
        return len(self.arrival_s)
