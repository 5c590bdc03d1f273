"""What the engine says to its parent: length-prefixed frames, ``J`` a JSON document or ``R`` sample rows."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np
import orjson

from loadtest.generator.samples import SAMPLES

HEADER = struct.Struct(">cI")


class FrameWriter:
    """Rows go to the sample file first, then into the pipe: what was told is on disk."""

    def __init__(self, pipe: BinaryIO, file: BinaryIO | None = None) -> None:
        self.pipe = pipe
        self.file = file

    def tell(self, document: dict[str, Any]) -> None:
        self._put(b"J", orjson.dumps(document))

    def rows(self, rows: np.ndarray) -> None:
        content = rows.tobytes()
        if self.file is not None:
            self.file.write(content)
            self.file.flush()
        self._put(b"R", content)

    def _put(self, kind: bytes, content: bytes) -> None:
        self.pipe.write(HEADER.pack(kind, len(content)) + content)
        self.pipe.flush()


def read_frames(read: Callable[[int], bytes]) -> Iterator[dict[str, Any] | np.ndarray]:
    """Frames until the end of the pipe, a torn last one left out.

    ``read(n)`` gives n bytes, fewer only at the end (a buffered file's read).
    """
    while len(head := read(HEADER.size)) == HEADER.size:
        kind, size = HEADER.unpack(head)
        content = read(size)
        if len(content) < size:
            return
        yield orjson.loads(content) if kind == b"J" else np.frombuffer(content, SAMPLES)
