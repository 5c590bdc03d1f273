"""HTTP/1.1 as bytes: heads and chunks of answers that bypass aiohttp's writer, so that each is one write at its own time."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
STATUS_LINES[529] = b"HTTP/1.1 529 Overloaded\r\n"
LAST_CHUNK = b"0\r\n\r\n"

Headers = Iterable[tuple[str, str]]


def head(status: int, headers: Headers) -> bytes:
    """Status line and headers up to, but not with, what ``whole`` and ``streamed`` add. Values must not come from the client."""
    line = STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n".encode()
    return line + "".join([f"{name}: {value}\r\n" for name, value in headers]).encode("latin-1", "replace")


def whole(status: int, headers: Headers, body: bytes, keep_alive: bool = True) -> bytes:
    """A complete answer with a JSON body."""
    closing = b"" if keep_alive else b"connection: close\r\n"
    return b"%bcontent-type: application/json\r\n%bcontent-length: %d\r\n\r\n%b" % (head(status, headers), closing, len(body), body)


def streamed(headers: Headers, content_type: str = "text/event-stream; charset=utf-8") -> bytes:
    """The head of a 200 answer whose body follows in chunks."""
    return b"%bcontent-type: %b\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n" % (
        head(200, headers),
        content_type.encode(),
    )


def chunk(data: bytes) -> bytes:
    """One chunk; nothing for no data, because an empty chunk would be the last."""
    if not data:
        return b""
    return b"%x\r\n%b\r\n" % (len(data), data)
