"""How much of a conversation's history goes to the model with the next turn."""

from __future__ import annotations

from collections.abc import Sequence

from sim.scenario.model import Context


def context(policy: Context, history_tokens: Sequence[int]) -> tuple[int, int]:
    """(turns kept, summary tokens): the newest turns sent as they are, and the length of a summary that stands for the rest."""
    turns = len(history_tokens)
    if policy.kind == "window":
        return min(turns, policy.turns), 0
    if policy.kind == "summarize":
        return (turns, 0) if turns < policy.after_turns else (min(turns, policy.keep_turns), policy.summary_tokens)
    if policy.kind == "budget":
        kept = total = 0
        for tokens in reversed(history_tokens):
            total += tokens
            if total > policy.tokens:
                break
            kept += 1
        return kept, 0
    return turns, 0


def context_tokens(policy: Context, history_tokens: Sequence[int]) -> int:
    """Tokens of history sent along."""
    kept, summary_tokens = context(policy, history_tokens)
    return sum(history_tokens[len(history_tokens) - kept :]) + summary_tokens
