"""Mutants that no test can tell from the right version, and why. Whatever else survives is a gap in the tests."""

from __future__ import annotations

import re

NO_MASS = "differs where two quantities are equal, and there the result is the same"

EQUIVALENT = {  # (module, line, mutated line), without their indentation
    (
        "sim.gateway.stages.cpu",
        "worker.free_s = done_s(g, number, worker.free_s if worker.free_s > now_s else now_s, demand_s)",
        "worker.free_s = done_s(g, number, worker.free_s if worker.free_s >= now_s else now_s, demand_s)",
    ): NO_MASS,
}

FAMILIES = (  # (what the mutated line looks like, why)
    (r"\bKeyed\(None, ", "the size of a table, which compiled code alone has: it leaves the same rows (tests/equivalence)"),
    (r"\bcast\(None, ", "for the type checker only"),
)


SENTENCE = re.compile(r"""(["'])\w[^"']* [^"']*\1""")
WORDS = "other words for people: tests ask what is said, not how"


def why_equivalent(module: str, before: str, after: str) -> str:
    """The reason; empty if the mutant is not known to be equivalent."""
    if reason := EQUIVALENT.get((module, before, after)):
        return reason
    if before != after and SENTENCE.sub("", before) == SENTENCE.sub("", after):
        return WORDS
    return next((reason for pattern, reason in FAMILIES if re.search(pattern, after)), "")
