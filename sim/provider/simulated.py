"""An attempt in virtual time: when its next event comes, what it is, and what is left of the attempt when it has ended.

Of a call's fields this writes until_s, status and the attempt's facts (``sim.gateway.stages.upstream``): attempt_started_s,
attempt_first_s, attempt_s, billed_tokens, produced_tokens, attempt_cached, retry_after_s, attempt_refused_by. It is cut without content
by ``first_by_s``, and at ``end_by_s``.
"""

from __future__ import annotations

from math import inf, isnan, nan
from typing import Any

from sim.data.statuses import CANCELLED, STREAMING, TIMED_OUT, UNDER_WAY
from sim.kernel.containers import NOBODY
from sim.kernel.refusals import NOT_REFUSED
from sim.provider.attempt import OK, begin, finish, produced
from sim.provider.processor_sharing import mark

# The next event of an attempt: its end; its first content, before which it may be cut; its last token on a shared server.
ENDS, SHOWS, SHARED_FIRST, SHARED_LAST, WHOLE = range(5)


def perform(p: Any, c: Any, now_s: float, shows: bool) -> None:
    """Begin an attempt. ``c.until_s``: when to call ``go_on``, unless a server wakes the call before.

    ``shows``: somebody must know when the first content is shown. Otherwise the end of the attempt tells.
    """
    begin(p, c, now_s)
    c.attempt_started_s = now_s
    c.attempt_first_s = nan
    c.status = UNDER_WAY
    if c.server != NOBODY:
        share(p, c, shows)
        return
    c.pending_status = c.plan_final_status
    c.attempt_s = c.plan_duration_s
    until_s = now_s + c.plan_duration_s
    if now_s + c.plan_first_s > c.first_by_s:
        c.pending_status = TIMED_OUT
        until_s = c.first_by_s
        c.attempt_s = until_s - now_s
    if until_s > c.end_by_s:
        c.pending_status = TIMED_OUT
        until_s = c.end_by_s
        c.attempt_s = until_s - now_s
    c.phase = ENDS
    if shows and c.plan_status == OK and c.plan_first_s < c.attempt_s:
        c.phase = SHOWS
        until_s = now_s + c.plan_first_s
    c.until_s = until_s


def go_on(p: Any, c: Any, now_s: float) -> bool:
    """An event of the attempt has come: its time, or its server's. False: it has ended, and its facts are there.

    True: it goes on until ``c.until_s``. Its status is STREAMING if its first content is shown and somebody must know.
    """
    if c.phase == ENDS:
        end(p, c, now_s, c.pending_status)
        return False
    if c.phase == SHOWS:
        c.phase = ENDS
        c.status = STREAMING
        c.attempt_first_s = c.plan_first_s
        c.until_s = c.attempt_started_s + c.attempt_s
        return True
    return go_on_shared(p, c, now_s)


def end(p: Any, c: Any, now_s: float, status: int) -> None:
    """Give the attempt's places back; what it has produced in ``c.attempt_s`` is billed."""
    finish(p, c, now_s)
    c.status = status
    c.retry_after_s = c.plan_retry_after_s
    c.attempt_refused_by = c.plan_refused_by if status == c.plan_final_status else NOT_REFUSED
    c.billed_tokens = c.produced_tokens = c.attempt_cached = 0
    if c.plan_status != OK:
        return
    c.attempt_cached = c.plan_cached_tokens
    if c.plan_first_s < inf:  # a provider that hangs bills nothing
        c.billed_tokens = c.input_tokens
    if c.server != NOBODY:
        end_shared(p, c)
    elif c.plan_first_s <= c.attempt_s:
        c.attempt_first_s = c.plan_first_s
        c.produced_tokens = produced(c, c.attempt_s)


def cut(p: Any, c: Any, now_s: float) -> None:
    """The client has left, or another attempt was faster."""
    c.attempt_s = now_s - c.attempt_started_s
    end(p, c, now_s, CANCELLED)


# ---- on a shared server: what the plan says in work becomes the times that came true


def share(p: Any, c: Any, shows: bool) -> None:
    c.phase = SHARED_FIRST
    c.tells_first = shows
    c.begun_work_s = p.servers[c.server].work_s
    c.until_s = min(c.first_by_s, c.end_by_s)
    mark(p, c, c.plan_first_s)


def go_on_shared(p: Any, c: Any, now_s: float) -> bool:
    c.attempt_s = now_s - c.attempt_started_s
    if c.mark_place != NOBODY:  # its time is up before the server's clock has come so far
        end(p, c, now_s, TIMED_OUT)
        return False
    if c.phase == SHARED_FIRST:
        c.attempt_first_s = c.attempt_s
        if c.plan_duration_s > c.plan_first_s:
            c.phase = SHARED_LAST
            if c.tells_first:
                c.status = STREAMING
            c.until_s = max(now_s, c.end_by_s)  # the first token may have come at the deadline, give or take a rounding
            mark(p, c, c.begun_work_s + c.plan_duration_s - p.servers[c.server].work_s)
            return True
    c.phase = WHOLE
    end(p, c, now_s, c.plan_final_status)
    return False


def end_shared(p: Any, c: Any) -> None:
    if c.phase == WHOLE:
        c.produced_tokens = c.plan_output_tokens
        return
    done_s = p.servers[c.server].work_s - c.begun_work_s
    c.produced_tokens = produced(c, done_s)
    if isnan(c.attempt_first_s) and done_s >= c.plan_first_s:  # cut at the very moment of its first content
        c.attempt_first_s = c.attempt_s
