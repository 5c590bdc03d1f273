"""The context policy applied to real messages: what the chain decided about token counts, done to text."""

from __future__ import annotations

from typing import Any

from loadtest.gateway.parsing import MAX_MESSAGES, ChatRequest, Message, text_of
from sim.gateway.stages.context import summary_tokens, turns_kept, turns_summarized
from sim.gateway.stages.summary import FAILED, INSTRUCTION_TOKENS, turns_covered
from sim.workload.prompt_text import CHARACTERS_PER_TOKEN, SIGN, read_marker, without_marker

MOST_SUMMARIES = 100_000
INSTRUCTION = "Summarise this conversation in a few sentences; keep the facts. ".ljust(INSTRUCTION_TOKENS * CHARACTERS_PER_TOKEN)
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


class Summaries:
    """The texts behind ``g.summaries``, by conversation; the oldest goes when there are too many."""

    def __init__(self) -> None:
        self.texts: dict[Any, str] = {}

    def keep(self, conversation: Any, text: str) -> None:
        self.texts.pop(conversation, None)
        self.texts[conversation] = text
        if len(self.texts) > MOST_SUMMARIES:
            del self.texts[next(iter(self.texts))]


def messages_for(g: Any, c: Any, request: ChatRequest, summaries: Summaries | None = None) -> list[Message]:
    """The messages that go upstream: system messages, a summary if the policy wants one, the turns kept, the current turn."""
    remembered = request.turns[c.first_turn :]
    messages = list(request.system)
    if remembered:
        stop = c.history_start + c.history_turns
        kept = turns_kept(g.context, g.history, stop - len(remembered), stop)
        tokens = summary_tokens(g.context, len(remembered))
        if tokens and (g.summary is None or c.summary != FAILED):
            text = summaries.texts.get(c.conversation) if summaries is not None else None
            covered = remembered[: len(remembered) - kept]
            messages.append({"role": "system", "content": summarise(covered, tokens) if text is None else fitted(text, tokens)})
        cut = 0 if g.token_budget is None else c.turns_cut
        for turn in remembered[len(remembered) - kept + cut :]:
            messages.extend(turn)
    return [*messages, *request.current]


def summary_request(g: Any, c: Any, request: ChatRequest, summaries: Summaries) -> tuple[dict[str, Any], list[Message]]:
    """(document, messages) of the call for a summary, of as many tokens as the chain has counted."""
    remembered = request.turns[c.first_turn :]
    done = turns_covered(g.summaries[c.conversation], c.first_turn)
    texts = [INSTRUCTION]
    if done:
        texts.append(fitted(summaries.texts.get(c.conversation, ""), g.context.summary_tokens))
    texts += [text_of(message) for turn in remembered[done : turns_summarized(g.context, len(remembered))] for message in turn]
    marked = read_marker(text_of(request.current[0]))
    marker = "" if marked is None else f"{SIGN}{marked[0]}:{c.answer_tokens}]"
    content = marker + fitted("".join(without_marker(text) for text in texts), c.input_tokens)
    return {"max_tokens": c.answer_tokens}, [{"role": "user", "content": content}]


def fitted(text: str, tokens: int) -> str:
    """Exactly so many tokens of it."""
    room = tokens * CHARACTERS_PER_TOKEN
    return text[:room].ljust(room)


def summarise(turns: list[list[Message]], tokens: int) -> str:
    """An extract of exactly ``tokens`` tokens: the beginning of every message, as much of each as fits.

    Deterministic, so prefixes stay shared.
    """
    room = tokens * CHARACTERS_PER_TOKEN
    texts = [text_of(message) for turn in turns for message in turn]
    share = max(16, (room - len(SUMMARY_HEAD)) // max(1, len(texts)) - 2)
    extract = SUMMARY_HEAD + "; ".join(text[:share] for text in texts)
    return extract[:room].ljust(room, ".")
