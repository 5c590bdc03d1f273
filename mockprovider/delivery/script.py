"""From a plan and an answer to the bytes that a playback writes, and how it breaks off where the plan says so."""

from __future__ import annotations

from mockprovider.delivery import http_bytes
from mockprovider.delivery.playback import End, Playback
from mockprovider.dialects.base import Answer, Dialect, Errors
from sim.data.statuses import REFUSED
from sim.provider.behaviour import Plan
from sim.provider.fault_timeline import Ending

ENDS = {
    Ending.COMPLETE: End.COMPLETE, Ending.FILTERED: End.COMPLETE, Ending.RESET: End.RESET, Ending.TRUNCATED: End.TRUNCATED,
    Ending.STREAM_ERROR: End.STREAM_ERROR, Ending.MALFORMED: End.MALFORMED, Ending.STALLED: End.STALLED,
}  # fmt: skip


def perform(playback: Playback, arrived_s: float, plan: Plan, answer: Answer, dialect: Dialect, errors: Errors) -> None:
    """Set the playback going for a request that arrived at ``arrived_s`` on the monotonic clock."""
    due_s = arrived_s + plan.first_token_s
    if plan.status == REFUSED:
        playback.refuse(due_s)
    elif plan.hang:
        playback.wait_forever(arrived_s)
    elif plan.status != 200:
        headers, body = errors.failure(plan.status, plan.retry_after_s, answer)
        playback.whole(due_s, http_bytes.whole(plan.status, headers, body), End.ERROR)
    elif answer.call.stream:
        perform_stream(playback, arrived_s, plan, answer, dialect)
    else:
        perform_whole(playback, arrived_s, plan, answer, dialect, errors)


def perform_stream(playback: Playback, arrived_s: float, plan: Plan, answer: Answer, dialect: Dialect) -> None:
    stream = dialect.stream(answer)
    head = http_bytes.streamed(dialect.headers(answer), stream.content_type)
    if plan.slow_headers:
        playback.trickle(arrived_s, arrived_s + plan.first_token_s, head)
        head = b""
    opening = head + b"".join(map(http_bytes.chunk, stream.opening))
    frame = stream.frame
    closing = stream.closing
    if plan.final_status != 200:
        playback.how = ENDS[plan.ending]
        closing = {End.STREAM_ERROR: stream.failure, End.MALFORMED: (malformed(frame(0)),)}.get(playback.how, ())
    ending = b"".join(map(http_bytes.chunk, closing))
    if playback.how not in (End.RESET, End.STALLED):
        ending += http_bytes.LAST_CHUNK
    playback.play(
        arrived_s + plan.first_token_s, plan.per_token_s, opening, plan.output_tokens, lambda k: http_bytes.chunk(frame(k)), ending
    )


def malformed(frame: bytes) -> bytes:
    """An event of which the end is missing."""
    return frame[: len(frame) * 2 // 3] + b"\n\n"


def perform_whole(playback: Playback, arrived_s: float, plan: Plan, answer: Answer, dialect: Dialect, errors: Errors) -> None:
    due_s = arrived_s + plan.duration_s
    if plan.ending is Ending.STALLED:
        playback.wait_forever(arrived_s)
        return
    if plan.ending is Ending.RESET:
        playback.refuse(due_s, End.RESET)
        return
    if plan.ending is Ending.STREAM_ERROR:
        headers, body = errors.failure(500, None, answer)
        playback.whole(due_s, http_bytes.whole(500, headers, body), End.STREAM_ERROR)
        return
    content = http_bytes.whole(200, dialect.headers(answer), dialect.body(answer))
    split = content.index(b"\r\n\r\n") + 4
    if plan.ending is Ending.TRUNCATED:  # half of what content-length promised
        playback.whole(due_s, content[: (split + len(content)) // 2], End.TRUNCATED)
    elif plan.ending is Ending.MALFORMED:
        body = content[split : (split + len(content)) // 2]
        playback.whole(due_s, http_bytes.whole(200, dialect.headers(answer), body), End.MALFORMED)
    elif plan.slow_headers:
        playback.trickle(arrived_s, due_s, content[:split])
        playback.whole(due_s, content[split:], End.COMPLETE)
    else:
        playback.whole(due_s, content, End.COMPLETE)


def reusable(end: End, streamed: bool) -> bool:
    """Whether the connection may serve another request after an answer that ended so."""
    return end in (End.COMPLETE, End.ERROR, End.STREAM_ERROR, End.MALFORMED) or (end is End.TRUNCATED and streamed)
