"""How long a target will take, drawn for many prompts at once: one draw at a time, the event that it leads to would wait for it.

Prompts of their own come in the order of their numbers. So the first visits of the next AHEAD prompts are drawn together, as long as at
least half of those before were asked for. Draws are pure functions of what they are for: none that nobody asks for changes another.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from sim.compiled.dtypes import AHEAD
from sim.compiled.kernel import inlined, uniform
from sim.compiled.laws import draw
from sim.compiled.settings import NONE


@inlined
def times(e: Any, number: int, prompt: int, occurrence: int) -> tuple[float, float]:
    """Seconds to the first token, and from token to token, that target ``number`` takes for a prompt."""
    target = e.targets[number]
    if occurrence == 0 and prompt >= target.ahead_from:
        if prompt >= target.ahead_from + AHEAD:
            look_ahead(e, number, prompt)
        target.asked += 1
        if target.looks_ahead:
            known = e.ahead[number * AHEAD + prompt - target.ahead_from]
            return known.first_token_s, known.per_token_s
    first_token_s = draw(e.laws, e.law_numbers, target.ttft, uniform(target.ttft_root, prompt, occurrence))
    if target.per_token == NONE:
        return first_token_s, 0.0
    return first_token_s, draw(e.laws, e.law_numbers, target.per_token, uniform(target.per_token_root, prompt, occurrence))


@njit
def look_ahead(e: Any, number: int, prompt: int) -> None:
    """Draw for the prompts from this one on, if that pays."""
    target = e.targets[number]
    target.looks_ahead = 2 * target.asked >= AHEAD
    target.ahead_from = prompt
    target.asked = 0
    if not target.looks_ahead:
        return
    first = number * AHEAD
    for place in range(AHEAD):
        e.ahead[first + place].first_token_s = uniform(target.ttft_root, prompt + place, 0)
    for place in range(first, first + AHEAD):
        e.ahead[place].first_token_s = draw(e.laws, e.law_numbers, target.ttft, e.ahead[place].first_token_s)
    if target.per_token != NONE:
        for place in range(AHEAD):
            e.ahead[first + place].per_token_s = uniform(target.per_token_root, prompt + place, 0)
        for place in range(first, first + AHEAD):
            e.ahead[place].per_token_s = draw(e.laws, e.law_numbers, target.per_token, e.ahead[place].per_token_s)
