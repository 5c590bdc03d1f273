"""The context policy applied to real messages: what the chain decided about token counts, done to text."""

from __future__ import annotations

from typing import Any

from loadtest.gateway.parsing import MAX_MESSAGES, ChatRequest, Message, text_of
from sim.gateway.stages.context import summary_tokens, turns_kept

CHARACTERS_PER_TOKEN = 4
SUMMARY_HEAD = "Summary of the conversation so far: "


class Histories:
    """Tokens of the earlier turns of requests under way, as ``g.history``: those of each from a number on, which ``keep`` gives."""

    def __init__(self) -> None:
        self.kept: dict[int, list[int]] = {}
        self.number = 0

    def __getitem__(self, place: int) -> int:
        number, turn = divmod(place, MAX_MESSAGES)
        return self.kept[number][turn]

    def keep(self, tokens: list[int]) -> int:
        self.number += 1
        self.kept[self.number] = tokens
        return self.number * MAX_MESSAGES

    def drop(self, start: int) -> None:
        del self.kept[start // MAX_MESSAGES]


def messages_for(g: Any, c: Any, request: ChatRequest) -> list[Message]:
    """The messages that go upstream: system messages, a summary if the policy wants one, the turns kept, the current turn."""
    remembered = request.turns[c.first_turn :]
    messages = list(request.system)
    if remembered:
        stop = c.history_start + c.history_turns
        kept = turns_kept(g.context, g.history, stop - len(remembered), stop)
        summary = summary_tokens(g.context, len(remembered))
        if summary:
            messages.append({"role": "system", "content": summarise(remembered[: len(remembered) - kept], summary)})
        for turn in remembered[len(remembered) - kept :]:
            messages.extend(turn)
    return [*messages, *request.current]


def summarise(turns: list[list[Message]], tokens: int) -> str:
    """An extract of exactly ``tokens`` tokens: the beginning of every message, as much of each as fits.

    Deterministic, so prefixes stay shared.
    """
    room = tokens * CHARACTERS_PER_TOKEN
    texts = [text_of(message) for turn in turns for message in turn]
    share = max(16, (room - len(SUMMARY_HEAD)) // max(1, len(texts)) - 2)
    extract = SUMMARY_HEAD + "; ".join(text[:share] for text in texts)
    return extract[:room].ljust(room, ".")
