"""A provider's prompt cache: which prefix of a prompt was sent to the same model lately?

A prompt is told by its prefixes, each an identity and its tokens, longest first, cut where a later prompt may go on from. A simulation
makes identities of conversations and prompt numbers, the mock of hashes of the text; both find the same prefixes shared.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sim.kernel.containers import add, append, drop, find, remove, take_first

MOST_PREFIXES = 200_000
"""Of one model; beyond, the one unused for longest goes."""
WHOLE = -1
"""In place of a first turn: the identity is that of a whole prompt."""
ANYBODY = -1
"""In place of a conversation: users who ask the same share the prompt."""


def identity(target: int, conversation: int, first_turn: int, turn: int) -> Any:
    """What tells a prefix. (Compiled: a 64-bit hash of the four.)"""
    return target, conversation, first_turn, turn


def read_history(p: Any, c: Any, model: Any, now_s: float) -> int:
    """Tokens of the call's longest prefix that is still there, in whole steps. All its prefixes count as used now.

    Its prefixes are the whole prompt, then its history turn by turn: the newest turns that fit into what is sent, and before them a
    summary of the others in what is left. Without history a prompt is known by its number alone.
    """
    if c.input_tokens < model.minimum:
        return 0
    forget_unused(p, model, now_s)
    tokens = c.input_tokens - c.prompt_tokens
    end = c.history_start + c.history_turns
    left, oldest = tokens, end
    while oldest > c.history_start and p.history[oldest - 1] <= left:
        oldest -= 1
        left -= p.history[oldest]
    first_turn = c.turn - (end - oldest)
    turns = end - oldest + (1 if left != 0 else 0)
    conversation = c.conversation if turns > 0 else ANYBODY
    found = use(p, model, identity(c.target, conversation, WHOLE, c.prompt), c.input_tokens, now_s, 0)
    for turn in range(turns, 0, -1):
        found = use(p, model, identity(c.target, conversation, first_turn, turn), tokens, now_s, found)
        if end > oldest:
            end -= 1
            tokens -= p.history[end]
    return in_steps(p, model, found, c.input_tokens)


def read_prefixes(p: Any, target: int, model: Any, prefixes: Iterable[tuple[Any, int]], input_tokens: int, now_s: float) -> int:
    """The same of a prompt whose prefixes (identity, tokens) are given: the mock's, which knows them by their text."""
    if input_tokens < model.minimum:
        return 0
    forget_unused(p, model, now_s)
    found = 0
    for known, tokens in prefixes:
        found = use(p, model, (target, known), tokens, now_s, found)
    return in_steps(p, model, found, input_tokens)


def use(p: Any, model: Any, known: Any, tokens: int, now_s: float, found: int) -> int:
    """Use one prefix. Tokens of the longest one found so far."""
    place = find(p.places, known)
    if place >= 0:
        if found == 0:
            found = tokens
        remove(p.prefixes, model.prefixes, place)
    else:
        place = add(p.places, known)
        p.prefixes[place].identity = known
    p.prefixes[place].used_s = now_s
    append(p.prefixes, model.prefixes, place)
    return found


def in_steps(p: Any, model: Any, found: int, input_tokens: int) -> int:
    """What the provider says is cached, when all prefixes of a prompt have been used."""
    while model.prefixes.length > MOST_PREFIXES:
        forget_oldest(p, model)
    found = min(found, input_tokens)
    return found // model.step * model.step if found >= model.minimum else 0


def forget_unused(p: Any, model: Any, now_s: float) -> None:
    while model.prefixes.length > 0 and p.prefixes[model.prefixes.first].used_s < now_s - model.ttl_s:
        forget_oldest(p, model)


def forget_oldest(p: Any, model: Any) -> None:
    drop(p.places, p.prefixes[take_first(p.prefixes, model.prefixes)].identity)
