"""Replay of recorded traffic: the Azure CSV and the Mooncake JSONL formats, plain or gzip."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import numpy as np

from sim.scenario.errors import Problem, ScenarioError
from sim.scenario.model import Trace
from sim.scenario.size import MOST_REQUESTS
from sim.stochastics.random_streams import Purpose, uniforms
from sim.workload.calls import MAX_TOKENS

MAX_ROWS = 10_000_000
MAX_LINE = 1 << 20  # characters
AZURE_HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens"
COARSE_TICK_S, MAX_TICK_S = 1.0, 3.0


@dataclass(frozen=True)
class TraceRows:
    """A trace in order of time: ``at_s`` float64 from its first call; tokens int32; ``prompt`` int64, equal where prompts are;
    ``tick_s`` the step of a coarse clock, 0 for a fine one; ``span_s`` up to the full second after the last call.
    """

    at_s: np.ndarray
    input_tokens: np.ndarray
    output_tokens: np.ndarray
    prompt: np.ndarray
    tick_s: float
    span_s: float

    def __len__(self) -> int:
        return len(self.at_s)


@dataclass(frozen=True)
class Replay:
    """Calls in order of time: ``row`` of the trace each came from, ``prompt`` int64 numbered from 0 in order of first appearance."""

    trace: TraceRows
    duration_s: float
    at_s: np.ndarray
    row: np.ndarray
    prompt: np.ndarray


def replay(arrivals: Trace, scale: float, seed: int, duration_s: float) -> Replay:
    """The trace's calls at ``scale``, cut at ``duration_s`` or ending with the trace.

    At scale K every call becomes K calls (a fractional part by a draw). For K ≥ 1 the first stays at its own time, so that scale 1 is
    the trace itself; the others move by a uniform of up to ±jitter, so that they are not one volley. The rate is then K times the
    trace's, smoothed over the jitter, and peaks wider than that keep their shape. On Azure's conversation trace of 2023, peak over
    mean at 1x, 10x and 100x is 1.77, 1.81, 1.82 in windows of 10 s, and 2.89, 2.48, 2.42 in windows of 1 s, the width of the jitter.
    The index of dispersion of counts grows with K, as it does whenever a rate that swells is multiplied: about
    1 + K · variance / mean of the smoothed counts.
    Where the trace's clock is coarse, calls are first spread evenly over its tick.
    """
    trace = read_trace(arrivals)
    if len(trace) * scale > MOST_REQUESTS:
        message = f"about {len(trace) * scale:,.0f} calls, more than the {MOST_REQUESTS:,} that one run may have"
        raise ScenarioError([Problem("scenario", message, path="workload.arrivals.file", hint="lower --scale, or cut the trace")])
    at_s, row, copy = copies(trace, scale, seed, arrivals.jitter)
    end_s = min(duration_s, trace.span_s)
    order = np.argsort(at_s, kind="stable")
    order = order[: np.searchsorted(at_s[order], end_s)]
    row, copy = row[order], copy[order]
    return Replay(trace, end_s, at_s[order], row, in_order_of_appearance(trace.prompt[row], copy))


def copies(trace: TraceRows, scale: float, seed: int, jitter_s: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times, rows and copy numbers of all calls; what would leave the trace's span at either end is reflected back into it."""
    rows = np.arange(len(trace))
    count = int(scale) + (uniforms(seed, Purpose.TRACE_COPIES, rows) < scale - int(scale)).astype(np.int64)
    row = np.repeat(rows, count)
    copy = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    at_s = trace.at_s + trace.tick_s * uniforms(seed, Purpose.TRACE_SPREAD, rows)
    moves = min(jitter_s, trace.span_s) * (2 * uniforms(seed, Purpose.TRACE_JITTER, row, copy) - 1)
    moved = np.abs(at_s[row] + np.where(copy > 0, moves, 0.0))
    return np.where(moved < trace.span_s, moved, np.abs(2 * trace.span_s - moved)), row, copy


def in_order_of_appearance(prompt: np.ndarray, copy: np.ndarray) -> np.ndarray:
    """Numbers from 0 for each different (prompt, copy): copies stand for other users, who ask something else."""
    if not len(prompt):
        return prompt
    _, first, which = np.unique(prompt * (int(copy.max()) + 1) + copy, return_index=True, return_inverse=True)
    number = np.empty(len(first), np.int64)
    number[np.argsort(first)] = np.arange(len(first))
    return number[which]


def read_trace(arrivals: Trace) -> TraceRows:
    """The trace that the scenario names. Raises ScenarioError with file and line for anything that is not as its format says."""
    path = Path(arrivals.file)
    try:
        state = path.stat()
        return cached(arrivals.file, arrivals.format, state.st_mtime_ns, state.st_size)
    except (OSError, EOFError, zlib.error) as problem:
        reason = problem.strerror if isinstance(problem, OSError) and problem.strerror else str(problem)
        raise ScenarioError([Problem(arrivals.file, f"cannot read the trace: {reason}")]) from None


@lru_cache(maxsize=4)
def cached(file: str, format_: str, changed_ns: int, size: int) -> TraceRows:
    with open_text(Path(file)) as stream:
        lines = numbered_lines(file, stream)
        first = next(lines, None)
        if first is None:
            raise refuse(file, 1, "expected a trace, found an empty file")
        if format_ == "auto":
            format_ = "mooncake" if first[1].startswith("{") else "azure"
        rows = list(mooncake(file, first, lines) if format_ == "mooncake" else azure(file, first, lines))
    if not rows:
        raise refuse(file, 2, "expected at least one call")
    at_s, input_tokens, output_tokens, prompt = (np.array(column) for column in zip(*rows, strict=True))
    order = np.argsort(at_s, kind="stable")
    at_s = at_s[order] - at_s[order[0]]
    tick_s = coarse_tick_s(at_s)
    sizes = input_tokens[order].astype(np.int32), output_tokens[order].astype(np.int32)
    return TraceRows(at_s, *sizes, prompt[order], tick_s, float(np.floor(at_s[-1] + tick_s)) + 1.0)


def coarse_tick_s(at_s: np.ndarray) -> float:
    """The step of a clock that is too coarse to tell calls apart (Mooncake's is 3 s), else 0.

    Recognised by repeated times that are never less than a second apart.
    """
    steps = np.diff(np.unique(at_s))
    if not len(steps) or len(steps) + 1 == len(at_s) or steps.min() < COARSE_TICK_S:
        return 0.0
    return min(float(np.median(steps)), MAX_TICK_S)


def open_text(path: Path) -> IO[str]:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rt", encoding="utf-8", newline=None) if packed else path.open(encoding="utf-8", newline=None)


def numbered_lines(file: str, stream: IO[str]) -> Iterator[tuple[int, str]]:
    number = 0
    while True:
        try:
            line = stream.readline(MAX_LINE + 1)
        except UnicodeDecodeError:
            raise refuse(file, number + 1, "expected UTF-8 text") from None
        if not line:
            return
        number += 1
        if len(line) > MAX_LINE:
            raise refuse(file, number, f"line longer than {MAX_LINE:,} characters")
        if number > MAX_ROWS:
            raise refuse(file, number, f"more than {MAX_ROWS:,} lines")
        if line.strip():
            yield number, line.strip()


def azure(file: str, header: tuple[int, str], lines: Iterator[tuple[int, str]]) -> Iterator[tuple[float, int, int, int]]:
    """Rows of github.com/Azure/AzurePublicDataset's LLM inference traces: time, context tokens, generated tokens."""
    if header[1] != AZURE_HEADER:
        raise refuse(file, header[0], f"expected the header {AZURE_HEADER} (or Mooncake's JSON lines), found {header[1][:60]!r}")
    start: datetime | None = None
    for number, line in lines:
        fields = line.split(",")
        if len(fields) != 3:
            raise refuse(file, number, f"expected 3 fields, found {len(fields)}")
        try:
            at = datetime.fromisoformat(fields[0])
            start = start or at
            since_s = (at - start).total_seconds()
        except (ValueError, TypeError):
            raise refuse(file, number, f"expected a time such as 2023-11-16 18:15:46.680590, found {fields[0][:40]!r}") from None
        yield since_s, tokens(file, number, "ContextTokens", fields[1]), tokens(file, number, "GeneratedTokens", fields[2]), number


def mooncake(file: str, first: tuple[int, str], lines: Iterator[tuple[int, str]]) -> Iterator[tuple[float, int, int, int]]:
    """Rows of github.com/kvcache-ai/Mooncake's FAST'25 traces: milliseconds, lengths, and hashes of the prompt's blocks of 512 tokens.

    Calls with the same hashes and length ask the same prompt; its answer is as long as the first time.
    """
    seen: dict[tuple[int, ...], tuple[int, int]] = {}
    for number, line in chain_first(first, lines):
        row = parse_object(file, number, line)
        stamp = row.get("timestamp")
        if isinstance(stamp, bool) or not isinstance(stamp, (int, float)) or not 0 <= stamp < 1e15:
            raise refuse(file, number, f"expected a timestamp in milliseconds, found {stamp!r:.40}")
        length = tokens(file, number, "input_length", row.get("input_length"))
        output = tokens(file, number, "output_length", row.get("output_length"))
        blocks = row.get("hash_ids", [])
        if not isinstance(blocks, list) or not all(type(block) is int for block in blocks):
            raise refuse(file, number, "expected hash_ids to be a list of whole numbers")
        prompt, output = seen.setdefault((length, *blocks), (number, output)) if blocks else (number, output)
        yield stamp / 1000.0, length, output, prompt


def chain_first(first: tuple[int, str], lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    yield first
    yield from lines


def parse_object(file: str, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        raise refuse(file, number, f"expected a JSON object with timestamp, input_length and output_length, found {line[:40]!r}")
    return row


def tokens(file: str, number: int, name: str, value: object) -> int:
    """A count of tokens, 0 counting as 1 (every call has a prompt and an answer)."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 12:
        value = int(value)
    if type(value) is not int or not 0 <= value <= MAX_TOKENS:
        raise refuse(file, number, f"expected {name} to be a whole number from 0 to {MAX_TOKENS:,}, found {value!r:.40}")
    return max(value, 1)


def refuse(file: str, line: int, message: str) -> ScenarioError:
    return ScenarioError([Problem(file, message, line, 1)])
