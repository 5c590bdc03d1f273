"""What to do about a value of the wrong form: the slips that people make with units, quotes and YAML."""

from __future__ import annotations

import re

from sim.scenario.errors import did_you_mean
from sim.scenario.words import our_word

TRUE_WORDS, FALSE_WORDS = {"yes", "on", "y"}, {"no", "off", "n"}
TIME_UNITS = {
    "sec": "s", "secs": "s", "second": "s", "seconds": "s", "msec": "ms", "msecs": "ms", "millis": "ms", "milliseconds": "ms",
    "mins": "m", "minute": "m", "minutes": "m", "hr": "h", "hrs": "h", "hour": "h", "hours": "h", "day": "d", "days": "d",
}  # fmt: skip
RATE_UNITS = {
    "rps": "s", "qps": "s", "tps": "s", "hz": "s", "second": "s", "seconds": "s", "rpm": "min", "tpm": "min", "mins": "min",
    "minute": "min", "minutes": "min", "hours": "h", "hr": "h", "days": "d", "rpd": "d",
}  # fmt: skip
MISPLACED: dict[tuple[str | int, ...], str] = {
    ("workload", "arrivals", "batch"): "batches go with poisson, gamma, stages and users: a trace says itself which calls come together, "
    "and a closed client asks one at a time",
    ("gateway", "concurrency"): "calls in service are the queue's: queue: {concurrency: 64, waiting: 200, timeout: 10s}",
    ("gateway", "breaker", "failures"): "it opens by a share of calls: failure_rate: 50%, from minimum_calls on",
    ("gateway", "breaker", "error_rate"): "did you mean 'failure_rate'?",
    ("gateway", "retry", "backoff", "max"): "did you mean 'cap'?",
    ("gateway", "retry", "backoff", "jitter"): "jitter is a kind of backoff: kind: full-jitter, equal-jitter or decorrelated-jitter",
    ("gateway", "spend_limit", "daily"): "did you mean 'global_usd', or 'per_user_usd'? The window is per: 1d",
    ("gateway", "limits", "requests"): "say of whom: per_user: {requests: 30/min}, or global: {requests: 100/s}",
    ("gateway", "limits", "tokens"): "say of whom: per_user: {tokens: 20000/min}, or global: {tokens: 2000000/min}",
}
"""Keys that belong to another kind of what stands there."""
RANGE = re.compile(r"([0-9.]+)\s*([A-Za-z]*)\s*(?:-|\.\.|…|to)\s*([0-9.]+)\s*([A-Za-z]*)")
QUANTITY = re.compile(r"([0-9.]+)\s*(?:/|per)?\s*([A-Za-z]+)")


def hint_for(found: object, expected: list[str]) -> str:
    """A hint, or nothing, for a found value where ``expected`` (one or more phrases) was wanted."""
    wanted = " or ".join(expected)
    for applies, advise in HINTS:
        if applies in wanted and (hint := advise(found, wanted)):
            return hint
    return ""


def about_duration(found: object, wanted: str) -> str:
    if isinstance(found, (int, float)) and not isinstance(found, bool):
        return f"write {found:g}s if seconds are meant, {found:g}ms if milliseconds"
    match = QUANTITY.fullmatch(found.strip()) if isinstance(found, str) else None
    if match and match[2].lower() in TIME_UNITS:
        return f"did you mean '{match[1]}{TIME_UNITS[match[2].lower()]}'?"
    if isinstance(found, str) and (span := RANGE.fullmatch(found.strip())):
        return f"values between two bounds are {{kind: uniform, low: {span[1]}{span[2] or span[4]}, high: {span[3]}{span[4]}}}"
    if isinstance(found, str) and re.fullmatch(r"\d+(:\d\d){1,2}", found.strip()):
        return "write hours, minutes or seconds with their unit: 90m, not 1:30:00"
    if isinstance(found, dict):
        bare = [key for key, child in found.items() if isinstance(child.value, (int, float)) and not isinstance(child.value, bool)]
        bare = [key for key in bare if key not in ("sigma", "cv", "shape", "weight")]
        return f"give {' and '.join(bare)} a unit" if bare else ""
    return ""


def about_rate(found: object, wanted: str) -> str:
    if isinstance(found, (int, float)) and not isinstance(found, bool):
        return f"write {found:g}/s if per second is meant, {found:g}/min if per minute"
    match = QUANTITY.fullmatch(found.strip()) if isinstance(found, str) else None
    if match and match[2].lower() in RATE_UNITS:
        return f"did you mean '{match[1]}/{RATE_UNITS[match[2].lower()]}'?"
    return ""


def about_bool(found: object, wanted: str) -> str:
    word = str(found).lower()
    return "write true" if word in TRUE_WORDS else "write false" if word in FALSE_WORDS else ""


def about_number(found: object, wanted: str) -> str:
    if isinstance(found, str):
        if re.fullmatch(r"[-+]?[0-9.]+(e[-+]?[0-9]+)?", found):
            return "write it without quotes"
        if re.fullmatch(r"[0-9.]+\s*%", found):
            return f"write {float(found.rstrip('% ')) / 100:g}: shares are numbers from 0 to 1"
        if sum_of_money := re.fullmatch(r"\$?\s*([0-9.]+)\s*(?:USD|usd|\$)?", found.strip()):
            return f"write {sum_of_money[1]}, without the currency"
    if isinstance(found, float) and found.is_integer():
        return f"write {found:.0f}"
    return ""


def about_mapping(found: object, wanted: str) -> str:
    return "is a space missing after the colon?" if isinstance(found, str) and re.search(r":\S", found) else ""


def about_text(found: object, wanted: str) -> str:
    if isinstance(found, dict) and any("{" in str(key) for key in found):
        return "write {class=chat}, or quote the line: to YAML a colon and a space make a mapping"
    return f'quote it: "{found}"' if isinstance(found, (int, float)) and not isinstance(found, bool) else ""


def about_list(found: object, wanted: str) -> str:
    return "a list of one is written [ … ], or with a dash" if found is not None else ""


def about_choice(found: object, wanted: str) -> str:
    choices = wanted.replace(" or ", ", ").split(", ")
    return our_word(found, choices) or did_you_mean(found, choices) if isinstance(found, str) else ""


HINTS = (
    ("a duration", about_duration),
    ("durations", about_duration),
    ("a rate", about_rate),
    ("true or false", about_bool),
    ("number", about_number),
    ("a mapping", about_mapping),
    ("a list", about_list),
    ("text", about_text),
    ("", about_choice),
)
