"""The pages of the documentation, with README.md, and the blocks in them."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^(?P<indent> *)```(?P<kind>\w*)(?P<title>[^\n]*)\n(?P<text>.*?)^(?P=indent)```\s*$", re.MULTILINE | re.DOTALL)
TITLE = re.compile(r'title="([^"]+)"')


class Block(NamedTuple):
    """``kind`` of the fence (empty: none), ``title`` the file that the block shows, if any; ``line`` of the page."""

    page: Path
    line: int
    kind: str
    title: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    return [ROOT / "README.md", ROOT / "mockprovider" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        title = TITLE.search(found["title"])
        yield Block(page, text[: found.start()].count("\n") + 1, found["kind"], title[1] if title else "", textwrap.dedent(found["text"]))


def all_blocks(*kinds: str) -> list[Block]:
    return [block for page in pages() for block in blocks(page) if block.kind in kinds]


def commands(block: Block) -> list[str]:
    """The command lines of a block, without prompts and remarks."""
    lines = (line.removeprefix("$ ").split("   ")[0].split(" # ")[0].strip() for line in block.text.splitlines())
    return [line for line in lines if COMMAND.match(line)]


COMMAND = re.compile(r"(\w+=\S+ )*(tenfold|make|python3?|pip|docker|kubectl|litellm|curl|\.\S*)\s")
