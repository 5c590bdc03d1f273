"""A provider that costs next to nothing: ``python -m tests.benchmarks.fake_upstream`` prints its port and answers every chat alike.

Streamed: WORDS events, one every GAP_S; else the same words at once, or so many seconds later as its argument says. One protocol object a
connection, no HTTP library.
"""

from __future__ import annotations

import asyncio
import json
import sys

WORDS, GAP_S = 10, 0.002
DELAY_S = float(sys.argv[1]) if len(sys.argv) > 1 else 0.0
USAGE = {"prompt_tokens": 200, "completion_tokens": WORDS, "total_tokens": 200 + WORDS}
NAMED = {"id": "chatcmpl-0", "created": 0, "model": "m"}


def event(document: object) -> bytes:
    data = b"data: " + (json.dumps(document).encode() if not isinstance(document, str) else document.encode()) + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(data), data)


def chunk(delta: dict[str, str], finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return event({**NAMED, "object": "chat.completion.chunk", "choices": [choice]})


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
FIRST = HEAD + chunk({"role": "assistant", "content": ""})
WORD = chunk({"content": "word "})
COUNTED = event({**NAMED, "object": "chat.completion.chunk", "choices": [], "usage": USAGE})
LAST = chunk({}, "stop") + COUNTED + event("[DONE]") + b"0\r\n\r\n"
MESSAGE = {"role": "assistant", "content": "word " * WORDS}
BODY = json.dumps(
    {**NAMED, "object": "chat.completion", "choices": [{"index": 0, "message": MESSAGE, "finish_reason": "stop"}], "usage": USAGE}
).encode()
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY)


class Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self.data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self.data += data
        head, found, body = self.data.partition(b"\r\n\r\n")
        if not found or len(body) < int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0]):
            return
        self.data = b""
        if json.loads(body).get("stream"):
            self.transport.write(FIRST)
            self.say(WORDS)
        elif DELAY_S:
            asyncio.get_running_loop().call_later(DELAY_S, self.transport.write, WHOLE)
        else:
            self.transport.write(WHOLE)

    def say(self, words: int) -> None:
        self.transport.write(WORD if words else LAST)
        if words:
            asyncio.get_running_loop().call_later(GAP_S, self.say, words - 1)


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())
