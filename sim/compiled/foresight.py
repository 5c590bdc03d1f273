"""Memory is asked in good time for what will be needed: tables of a busy gateway do not fit into the processor's caches.

It changes nothing but the time that it takes.
"""

from __future__ import annotations

from typing import Any

from sim.compiled.heap import SLOT
from sim.compiled.kernel import inlined
from sim.compiled.prefetch import ask_for
from sim.compiled.settings import NONE, TOKEN_BUCKET

ARRIVALS_AHEAD = 16
MANY = 512  # lives: fewer stay in the caches anyway


@inlined
def foresee_arrivals(e: Any, request: int) -> None:
    """What an arrival soon after this one will touch."""
    coming = request + ARRIVALS_AHEAD
    if coming >= len(e.arrival_s):
        return
    ask_for(e.rows, coming)
    if e.has_limits:
        number = e.world[0].user_requests
        if number != NONE and e.limits[number].algorithm == TOKEN_BUCKET:
            ask_for(e.buckets, e.limits[number].first + e.user[coming])
    if e.has_sessions:
        ask_for(e.session_seen_s, e.conversation[coming])
        ask_for(e.session_first, e.conversation[coming])
        ask_for(e.session_after, e.conversation[coming])
        ask_for(e.session_before, e.conversation[coming])
    if e.has_history:
        ask_for(e.history_tokens, e.history_start[coming])


@inlined
def foresee_events(e: Any) -> None:
    """The row of the next life to go on, and the life of the one or the other after it."""
    if e.world[0].inside < MANY:
        return
    heap = e.heap
    request = e.lives[heap[0].what & SLOT].request
    ask_for(e.rows, request)
    ask_for(e.inside_s, request)
    ask_for(e.lives, heap[1].what & SLOT)
    ask_for(e.lives, heap[2].what & SLOT)
