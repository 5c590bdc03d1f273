"""Hostile files are refused quickly, before anything large is built from them; odd but honest ones are read."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from sim.scenario.errors import ScenarioError
from sim.scenario.tree import MOST_ALIASES, MOST_BYTES, MOST_DEPTH, Source, read_tree

SOURCE = Source("hostile.yaml", Path())

LAUGHS = "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))
HOSTILE = {
    "exponential aliases": "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + LAUGHS,
    "deep flow": "[" * (MOST_BYTES // 2),
    "deep mappings": "{a: " * (MOST_BYTES // 8),
    "deep blocks": "".join(f"{' ' * depth}a:\n" for depth in range(2000)),
    "many nodes": "a: [" + "1," * (MOST_BYTES // 2 - 10) + "1]",
    "many keys": "".join(f"k{i}: 1\n" for i in range(MOST_BYTES // 12)),
    "many aliases": "a: &a 1\nb: [" + ",".join(["*a"] * (MOST_ALIASES + 1)) + "]",
    "deep through aliases": "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, MOST_DEPTH + 2)),
    "an alias inside itself": "a: &a [*a]",
    "a huge key": "a" * 100_000 + ": 1",
    "a list as key": "[a, b]: 1",
    "an alias as key": "a: &a x\n*a : 1",
}  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_file_is_refused_quickly(text: str) -> None:
    started_s = time.process_time()
    with pytest.raises(ScenarioError):
        read_tree(text, SOURCE)
    assert time.process_time() - started_s < 15  # 2.5 s on a machine whose speed halves at times; without the caps it would not end


def test_a_hostile_number_is_refused() -> None:
    _, problems = read_tree("a: " + "9" * 100_000, SOURCE)
    assert [problem.message for problem in problems] == ["expected a number of at most 40 digits, found one of 100000"]


def test_honest_aliases_are_read() -> None:
    root, problems = read_tree("a: &a {x: 1}\nb: *a\nc: [*a, *a]\n", SOURCE)
    assert not problems
    assert root.plain() == {"a": {"x": 1}, "b": {"x": 1}, "c": [{"x": 1}, {"x": 1}]}
    assert root.size == 10


def test_scalars_follow_yaml_1_2() -> None:
    text = "[1, -2, 1.5, 1e3, .5, 2., true, False, null, ~, yes, on, 12:30, 2024-01-01, 0x1F, '1', \"true\", 1/s]"
    root, problems = read_tree(text, SOURCE)
    assert not problems
    assert root.plain() == [
        1,
        -2,
        1.5,
        1000.0,
        0.5,
        2.0,
        True,
        False,
        None,
        None,
        "yes",
        "on",
        "12:30",
        "2024-01-01",
        "0x1F",
        "1",
        "true",
        "1/s",
    ]


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    from sim.gateway.language import load

    text = (Path(__file__).parent / "valid.yaml").read_text()
    path = tmp_path / "windows.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert load(path).sha256 == load(Path(__file__).parent / "valid.yaml").sha256
