"""Server-sent events, read incrementally from raw bytes as they come (WHATWG HTML § 9.2.6). Lines end in LF or CRLF."""

from __future__ import annotations

MAX_EVENT_BYTES = 4 * 1024 * 1024


class EventParser:
    """``feed(bytes)`` returns the events completed by them, as (event name, data). Comments and ids are dropped.

    Raises ValueError when one event grows beyond ``MAX_EVENT_BYTES``: memory stays bounded whatever the other side sends.
    """

    __slots__ = ("_data", "_name", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._name = b""
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> list[tuple[bytes, bytes]]:
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        events = []
        for line in lines:
            if line.endswith(b"\r"):
                line = line[:-1]
            if not line:
                if self._data:
                    events.append((self._name, b"\n".join(self._data)))
                    self._data = []
                self._name = b""
            elif line.startswith(b"data:"):
                self._data.append(line[6:] if line.startswith(b"data: ") else line[5:])
            elif line.startswith(b"event:"):
                self._name = line[6:].strip()
        if len(self._rest) + sum(map(len, self._data)) > MAX_EVENT_BYTES:
            raise ValueError(f"an event of more than {MAX_EVENT_BYTES} bytes")
        return events

    @property
    def torn(self) -> bool:
        """Bytes of an unfinished event are left."""
        return bool(self._rest or self._data)
