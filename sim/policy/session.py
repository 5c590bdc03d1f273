"""Sessions: what the gateway remembers of a conversation, and for how long."""

from __future__ import annotations

from sim.scenario.model import Sessions

MAXIMUM = 1_000_000


class SessionStore:
    """(last seen, first turn still remembered) by conversation, least recently seen first; at most MAXIMUM of them."""

    __slots__ = ("seen", "ttl_s")

    def __init__(self, config: Sessions) -> None:
        self.ttl_s = config.ttl
        self.seen: dict[int, tuple[float, int]] = {}


def resume(store: SessionStore, conversation: int, turn: int, now_s: float) -> int:
    """First turn of the conversation that is still remembered.

    A conversation idle for longer than the time to live starts again at this turn. One never seen before is trusted with all the
    history its client brings: it was under way before the gateway started.
    """
    last_s, first_turn = store.seen.pop(conversation, (now_s, 0))
    first_turn = remembered_from(first_turn, turn, now_s - last_s, store.ttl_s)
    store.seen[conversation] = now_s, first_turn
    if len(store.seen) > MAXIMUM:
        del store.seen[next(iter(store.seen))]
    return first_turn


def remembered_from(first_turn: int, turn: int, idle_s: float, ttl_s: float) -> int:
    """The first turn still remembered: unchanged, or this one after too long a pause."""
    return turn if idle_s > ttl_s else first_turn
