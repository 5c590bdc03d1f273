"""Writing the scenario: YAML with the evidence of each figure above it, long samples and the replayed trace in files beside it."""

from __future__ import annotations

import gzip
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from sim.importing.assemble import Draft
from sim.importing.calls import Calls

WIDTH = 132
MOST_INLINE = 24


class Flow(yaml.SafeDumper):
    """Leaves on one line."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def flow(value: Any) -> str:
    text = yaml.dump(value, Dumper=Flow, default_flow_style=True, width=10**6, sort_keys=False, allow_unicode=True).strip()
    return text.removesuffix("...").strip()


def write_scenario(draft: Draft, place: Path, heading: list[str]) -> str:
    """Writes the files beside the scenario, and returns its text. The folder ``place.evidence`` is there afterwards."""
    folder = place.with_suffix(".evidence")
    folder.mkdir(parents=True, exist_ok=True)
    data = draft.data
    if draft.replayed is not None:
        name = "trace.jsonl.gz"
        write_trace(draft.replayed, folder / name)
        data["workload"]["arrivals"]["file"] = f"{folder.name}/{name}"
    comments: dict[str, list[str]] = {}
    for each in draft.evidence:
        comments.setdefault(each.path, []).append(each.says)
    outside(data, (), folder)
    lines = [f"# {line}".rstrip() for paragraph in heading for line in textwrap.wrap(paragraph, WIDTH - 2) or [""]]
    for remark in draft.remarks:
        lines += [f"# {line}" for line in textwrap.wrap(remark, WIDTH - 4, initial_indent="- ", subsequent_indent="  ")]
    for key, value in data.items():
        if isinstance(value, (dict, list)):
            lines.append("")
        lines += entry(key, value, key, 0, comments)
    return "\n".join(lines) + "\n"


def entry(key: str, value: Any, path: str, depth: int, comments: dict[str, list[str]]) -> list[str]:
    """One key of a mapping, its evidence above it."""
    pad = "  " * depth
    lines = noted(path, pad, comments)
    inner = any(other.startswith((f"{path}.", f"{path}[")) for other in comments)
    text = f"{pad}{flow(key)}: {flow(value)}"
    if not isinstance(value, (dict, list)) or not value or (not inner and len(text) <= WIDTH):
        return [*lines, text]
    lines.append(f"{pad}{flow(key)}:")
    if isinstance(value, dict):
        for name, each in value.items():
            lines += entry(name, each, f"{path}.{name}", depth + 1, comments)
        return lines
    for number, each in enumerate(value):
        lines += item(each, f"{path}[{number}]", depth + 1, comments)
    return lines


def item(value: Any, path: str, depth: int, comments: dict[str, list[str]]) -> list[str]:
    pad = "  " * depth
    lines = noted(path, pad, comments)
    inner = any(other.startswith(f"{path}.") for other in comments)
    text = f"{pad}- {flow(value)}"
    if not isinstance(value, dict) or (not inner and len(text) <= WIDTH):
        return [*lines, text]
    first = True
    for name, each in value.items():
        made = entry(name, each, f"{path}.{name}", depth + 1, comments)
        if first:
            place = next(index for index, line in enumerate(made) if not line.lstrip().startswith("#"))
            made[place] = f"{pad}- {made[place].lstrip()}"
            first = False
        lines += made
    return lines


def noted(path: str, pad: str, comments: dict[str, list[str]]) -> list[str]:
    return [f"{pad}# {line}" for says in comments.get(path, ()) for line in textwrap.wrap(says, max(40, WIDTH - len(pad) - 2))]


def outside(value: Any, path: tuple[str, ...], folder: Path) -> None:
    """Long samples go into files of one value a line."""
    if isinstance(value, dict):
        values = value.get("values")
        if value.get("kind") == "empirical" and isinstance(values, list) and len(values) > MOST_INLINE:
            name = "-".join(path).replace("/", "-") + ".txt"
            (folder / name).write_text("\n".join(map(str, values)) + "\n", encoding="utf-8")
            del value["values"]
            value["file"] = f"{folder.name}/{name}"
            return
        for key, each in value.items():
            outside(each, (*path, str(key)), folder)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            outside(each, (*path, str(number)), folder)


def write_trace(calls: Calls, place: Path) -> None:
    """The calls in Mooncake's format: milliseconds, lengths, and for prompts that are told apart a number in order of appearance."""
    at_ms = np.round((calls.start_s - calls.start_s[0]) * 1e3, 3)
    sizes = [np.clip(np.nan_to_num(column, nan=1.0), 1, 1_000_000).astype(int) for column in (calls.input_tokens, calls.output_tokens)]
    prompt = calls.hashes["prompt"]
    _, first, number = np.unique(prompt, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    told = prompt != 0
    with gzip.GzipFile(place, "wb", compresslevel=6, mtime=0) as file:
        for at, into, out, which, known in zip(
            at_ms.tolist(), *(each.tolist() for each in sizes), rank[number].tolist(), told.tolist(), strict=True
        ):
            blocks = f', "hash_ids": [{which}]' if known else ""
            file.write(f'{{"timestamp": {at}, "input_length": {into}, "output_length": {out}{blocks}}}\n'.encode())
