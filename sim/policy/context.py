"""How much of a conversation's history goes to the model with the next turn."""

from __future__ import annotations

from collections.abc import Sequence

from sim.scenario.model import Context

KINDS = ("full", "window", "summarize", "budget")
FULL, WINDOW, SUMMARIZE, BUDGET = range(4)


class ContextRule:
    """A context policy's settings as numbers. Turns beyond ``keep_turns`` go (``window``), or become ``summary_tokens`` once there are
    ``after_turns`` (``summarize``); ``budget_tokens`` is the most that ``budget`` sends along.
    """

    __slots__ = ("after_turns", "budget_tokens", "keep_turns", "kind", "summary_tokens")

    def __init__(self, config: Context) -> None:
        self.kind = KINDS.index(config.kind)
        self.keep_turns = self.after_turns = self.summary_tokens = self.budget_tokens = 0
        if config.kind == "window":
            self.keep_turns = config.turns
        elif config.kind == "summarize":
            self.after_turns, self.keep_turns, self.summary_tokens = config.after_turns, config.keep_turns, config.summary_tokens
        elif config.kind == "budget":
            self.budget_tokens = config.tokens


def context(rule: ContextRule, history_tokens: Sequence[int]) -> tuple[int, int]:
    """(turns kept, summary tokens): the newest turns sent as they are, and the length of a summary that stands for the rest."""
    turns = len(history_tokens)
    if rule.kind == WINDOW:
        return min(turns, rule.keep_turns), 0
    if rule.kind == SUMMARIZE:
        return (turns, 0) if turns < rule.after_turns else (min(turns, rule.keep_turns), rule.summary_tokens)
    if rule.kind == BUDGET:
        kept = total = 0
        while kept < turns:
            total += history_tokens[turns - 1 - kept]
            if total > rule.budget_tokens:
                break
            kept += 1
        return kept, 0
    return turns, 0


def context_tokens(rule: ContextRule, history_tokens: Sequence[int]) -> int:
    """Tokens of history sent along."""
    kept, summary_tokens = context(rule, history_tokens)
    return sum(history_tokens[len(history_tokens) - kept :]) + summary_tokens
