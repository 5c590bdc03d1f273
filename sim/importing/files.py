"""Log files as blocks of whole lines or of rows: plain, gzip or zstd; a file that breaks off gives what it has."""

from __future__ import annotations

import bz2
import codecs
import io
import lzma
import re
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from sim.importing.skipped import Skipped, refuse

BLOCK = 1 << 23
MAX_DOCUMENT = 1 << 30
WORKERS = 2
Given = TypeVar("Given")
Made = TypeVar("Made")
BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError)
PIECE = 1 << 14
MOST_TRIES = 50
STRANGE = (
    (b"PK\x03\x04", "is a zip archive", "unzip it: unzip {file}"),
    (b"7z\xbc\xaf", "is a 7z archive", "unpack it first"),
    (b"\xff\xfe", "is UTF-16", "iconv -f UTF-16 -t UTF-8 {file} > log.txt"),
    (b"\xfe\xff", "is UTF-16", "iconv -f UTF-16 -t UTF-8 {file} > log.txt"),
    (b"ORC", "is an ORC file", "write it as Parquet, CSV or JSON lines"),
    (b"", "is no text: neither JSON, CSV, Parquet nor lines, packed by gzip, zstd, bzip2, xz or not at all", ""),
)
"""First bytes of files that cannot be read, what they are, and what to do."""
OBJECT_AT_END = re.compile(rb'\{\s*".*\}\s*,?\s*$')
"""A line that holds a JSON object, whatever a collector of logs has put before it."""


class Lines(NamedTuple):
    """Whole lines as bytes, ``many`` of them; ``first`` is the number of the first, from 1."""

    first: int
    data: bytes
    many: int


class Rows(NamedTuple):
    """A table of strings; ``first`` is the number of the line of its first row."""

    first: int
    table: pa.Table


class InPieces(io.RawIOBase):
    """A packed stream read in small pieces, so that a break loses one piece: what stands before is given first, the error after it."""

    def __init__(self, packed: IO[bytes]) -> None:
        self.packed = packed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        filled = 0
        while filled < len(buffer):
            try:
                piece = self.packed.read(min(PIECE, len(buffer) - filled))
            except BROKEN:
                if filled:
                    break  # it is raised again when there is nothing left to give
                raise
            if not piece:
                break
            buffer[filled : filled + len(piece)] = piece
            filled += len(piece)
        return filled

    def close(self) -> None:
        self.packed.close()
        super().close()


class Text(io.RawIOBase):
    """A stream whose bytes that are no UTF-8 are replaced: one wrong letter does not end a table."""

    def __init__(self, raw: IO[bytes]) -> None:
        self.raw, self.rest = raw, b""
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self.rest:
            piece = self.raw.read(len(buffer))
            plain = piece.isascii() and not self.decoder.getstate()[0]
            self.rest = piece if plain else self.decoder.decode(piece, not piece).encode()
            if piece and not self.rest:
                return self.readinto(buffer)
        count = min(len(buffer), len(self.rest))
        buffer[:count], self.rest = self.rest[:count], self.rest[count:]
        return count


class Unpacked(io.RawIOBase):
    """A gzip file's content. Other than gzip.open it gives all that stands before a break, and only then raises EOFError or zlib.error."""

    def __init__(self, packed: IO[bytes]) -> None:
        self.packed, self.inflate = packed, zlib.decompressobj(31)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        filled = 0
        while filled < len(buffer):
            try:
                piece = self.more(len(buffer) - filled)
            except (EOFError, zlib.error):
                if filled:
                    break  # it is raised again when there is nothing left to give
                raise
            if not piece:
                break
            buffer[filled : filled + len(piece)] = piece
            filled += len(piece)
        return filled

    def more(self, most: int) -> bytes:
        while True:
            piece = self.inflate.unconsumed_tail or self.inflate.unused_data or self.packed.read(1 << 16)
            if self.inflate.eof:
                if not piece.strip(b"\0"):
                    return b""
                self.inflate = zlib.decompressobj(31)  # files may be put one behind the other
            elif not piece:
                raise EOFError("the archive is not whole")
            if made := self.inflate.decompress(piece, most):
                return made

    def close(self) -> None:
        self.packed.close()
        super().close()


def opened(path: Path) -> IO[bytes]:
    """The file's bytes, unpacked. Raises ScenarioError for one that cannot be read."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
        if magic[:2] == b"\x1f\x8b":
            return Unpacked(path.open("rb"))  # type: ignore[return-value]
        if magic == b"\x28\xb5\x2f\xfd":
            return InPieces(pa.CompressedInputStream(pa.OSFile(str(path)), "zstd"))  # type: ignore[return-value]
        if magic[:3] == b"BZh":
            return InPieces(bz2.open(path))  # type: ignore[return-value]
        if magic[:4] == b"\xfd7zX":
            return InPieces(lzma.open(path))  # type: ignore[return-value]
        return path.open("rb")
    except OSError as error:
        raise refuse(str(path), f"cannot be read: {error.strerror or error}") from None


def container(path: Path) -> str:
    """``parquet``, ``json`` (lines), ``document`` (one JSON value over several lines), ``csv`` or ``empty``."""
    with opened(path) as file:
        try:
            head = file.read(1 << 16)
        except BROKEN as error:
            raise refuse(str(path), f"cannot be unpacked: {error}") from None
    if head[:4] == b"PAR1":
        return "parquet"
    for magic, what, hint in STRANGE:
        if head.startswith(magic) and (magic or b"\0" in head[:1024]):
            raise refuse(str(path), what, hint=hint.format(file=path.name))
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        return "empty"
    if text[:1] == b"[" and text[1:].lstrip()[:1] in (b"{", b"[", b"]", b""):
        return "document"
    if text[:1] != b"{":
        lines = text.split(b"\n")[:20]
        return "json" if sum(bool(OBJECT_AT_END.search(line)) for line in lines) > len(lines) / 2 else "csv"
    line = text.split(b"\n", 1)[0].strip()
    return "document" if line == b"{" or line[-1:] in (b"{", b"[", b",") else "json"


def line_blocks(path: Path, skipped: Skipped) -> Iterator[Lines]:
    """The file cut after newlines into blocks of some megabytes. A truncated archive gives the lines before the break."""
    first, rest = 1, b""
    with opened(path) as file:
        while True:
            try:
                piece = file.read(BLOCK)
            except BROKEN as error:
                skipped.line(f"the file breaks off ({str(error)[:80]}); what stands before was read", str(path), first + rest.count(b"\n"))
                piece = b""
            if first == 1 and not rest:
                piece = piece.removeprefix(b"\xef\xbb\xbf")
            if not piece:
                break
            if isinstance(file, io.BufferedReader):  # a plain file gives the rest of the line: no copy of what stands behind it
                piece += file.readline(8 * BLOCK)
            data = rest + piece if rest else piece
            cut = data.rfind(b"\n") + 1
            if cut:
                count = data.count(b"\n", 0, cut)
                yield Lines(first, data[:cut] if cut < len(data) else data, count)
                first += count
            rest = data[cut:]
            if len(rest) > 8 * BLOCK:
                skipped.line(f"a line longer than {8 * BLOCK:,} bytes", str(path), first)
                rest = after_line(file)
                first += 1
    if rest.strip():
        yield Lines(first, rest, 1)


def after_line(file: IO[bytes]) -> bytes:
    """What was read behind the end of the line that the file stands in."""
    while piece := file.read(BLOCK):
        if (end := piece.find(b"\n") + 1) > 0:
            return piece[end:]
    return b""


def ahead(items: Iterable[Given], work: Callable[[Given], Made]) -> Iterator[tuple[Given, Made]]:
    """Each with what ``work`` makes of it, in order, while the next ones are worked on: Arrow's parsers leave other threads free."""
    with ThreadPoolExecutor(WORKERS) as pool:
        under_way: deque[tuple[Given, Future[Made]]] = deque()
        for each in items:
            under_way.append((each, pool.submit(work, each)))
            if len(under_way) > 2 * WORKERS:
                given, made = under_way.popleft()
                yield given, made.result()
        while under_way:
            given, made = under_way.popleft()
            yield given, made.result()


def document(path: Path, skipped: Skipped) -> Any:
    """A file that is one JSON value. Raises ScenarioError with the line for one that is broken or too large."""
    import orjson

    data = b"".join(block.data for block in line_blocks(path, skipped))
    if len(data) > MAX_DOCUMENT:
        raise refuse(str(path), f"one JSON document of more than {MAX_DOCUMENT:,} bytes", hint="write it as JSON lines: jq -c '.[]'")
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        rows = whole_rows(data)
        if rows is None:
            hint = "have it written as JSON lines, one object a line: of those a broken file can be used"
            raise refuse(str(path), f"is not whole JSON: {error.msg}", error.lineno, hint) from None
        skipped.line("the document breaks off; what stands before was read", str(path), data.count(b"\n") + 1)
        return rows


def whole_rows(data: bytes) -> Any:
    """The rows of a list of objects that breaks off, up to the last one that is whole; None where it is something else."""
    import orjson

    end = len(data)
    for _ in range(MOST_TRIES if data[:1] == b"[" else 0):
        end = data.rfind(b"}", 0, end)
        try:
            return orjson.loads(data[: end + 1] + b"]") if end > 0 else None
        except orjson.JSONDecodeError:
            continue
    return None


def csv_rows(path: Path, skipped: Skipped) -> Iterator[Rows]:
    """Batches of a table with a header, every column as text. Lines with another number of fields are skipped and counted."""
    with opened(path) as file:
        header = file.readline(1 << 20).decode("utf-8-sig", "replace").strip("\r\n")
    if "\r" in header:
        raise refuse(str(path), "its lines end in carriage returns alone", 1, f"tr '\\r' '\\n' < {path.name} > lines.csv")
    delimiter = max(",\t;|", key=header.count)
    names = []
    for number, name in enumerate((name.strip().strip('"') for name in header.split(delimiter)), start=1):
        names.append(name if name and name not in names else f"{name or 'column'}_{number}")
    bad: list[int] = []

    def spoiled(row: Any) -> str:
        bad.append(row.number or 0)
        skipped.line(f"expected {row.expected_columns} fields, found {row.actual_columns}", str(path), row.number)
        return "skip"

    first = 2
    try:
        with opened(path) as file:
            reader = pyarrow.csv.open_csv(
                pa.PythonFile(Text(file), mode="r"),
                pyarrow.csv.ReadOptions(use_threads=False, block_size=BLOCK, column_names=names, skip_rows=1),
                pyarrow.csv.ParseOptions(delimiter=delimiter, invalid_row_handler=spoiled, newlines_in_values=True),
                pyarrow.csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=["", "NULL", "null", "\\N"]
                ),
            )
            for batch in reader:
                yield Rows(first, pa.Table.from_batches([batch]))
                first += batch.num_rows + len(bad)
                bad.clear()
    except (pa.ArrowInvalid, *BROKEN) as error:
        if "Empty CSV" not in str(error):
            skipped.line(f"the table breaks off ({str(error)[:80]}); what stands before was read", str(path), first)


def parquet_rows(path: Path) -> Iterator[Rows]:
    """Raises ScenarioError for a file that is not whole: a Parquet file has its index at its end."""
    try:
        file = pyarrow.parquet.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise refuse(str(path), f"is not a whole Parquet file: {str(error)[:120]}") from None
    first = 1
    for batch in file.iter_batches(batch_size=1 << 17):
        yield Rows(first, pa.Table.from_batches([batch]))
        first += batch.num_rows
