"""The context policy applied to real messages: what the flow decided about token counts, done to text."""

from __future__ import annotations

from typing import Any

from loadtest.gateway.parsing import ChatRequest, text_of
from sim.gateway.assembled import Gateway
from sim.policy.context import context

CHARACTERS_PER_TOKEN = 4
SUMMARY_HEAD = "Summary of the conversation so far: "


def messages_for(request: ChatRequest, gateway: Gateway) -> list[dict[str, Any]]:
    """The messages that go upstream: system messages, a summary if the policy wants one, the turns kept, the current turn.

    A session that had expired starts again at this turn; the flow has just looked it up, so the store's newest entry is this one.
    """
    first_turn = 0
    if gateway.sessions is not None:
        _, first_turn = gateway.sessions.seen.get(request.conversation, (0.0, 0))
    remembered = request.turns[first_turn:]
    kept, summary_tokens = context(gateway.context, request.history[first_turn:]) if remembered else (0, 0)
    messages = list(request.system)
    if summary_tokens:
        messages.append({"role": "system", "content": summarise(remembered[: len(remembered) - kept], summary_tokens)})
    for turn in remembered[len(remembered) - kept :]:
        messages.extend(turn)
    return [*messages, *request.current]


def summarise(turns: list[list[dict[str, Any]]], tokens: int) -> str:
    """An extract of exactly ``tokens`` tokens: the beginning of every message, as much of each as fits.

    Deterministic, so prefixes stay shared.
    """
    room = tokens * CHARACTERS_PER_TOKEN
    texts = [text_of(message) for turn in turns for message in turn]
    share = max(16, (room - len(SUMMARY_HEAD)) // max(1, len(texts)) - 2)
    extract = SUMMARY_HEAD + "; ".join(text[:share] for text in texts)
    return extract[:room].ljust(room, ".")
