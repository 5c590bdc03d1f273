"""Exit codes: the one list. Scripts and CI rely on it."""

OK = 0
INTERNAL = 1
"""A defect in Tenfold, or an output that could not be written."""
USAGE = 2
"""Wrong command line, or a scenario that is refused."""
GATE = 3
"""A budget or a regression gate failed."""
DISAGREEMENT = 4
"""Prediction and measurement disagree beyond tolerance."""
INVALID = 5
"""The measurement broke its own certificate: neither a pass nor a failure."""
INTERRUPTED = 130
"""Ctrl-C (128 + SIGINT)."""
