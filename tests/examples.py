"""How many examples property tests try."""

from __future__ import annotations

import os


def examples(quickly: int) -> int:
    """``quickly`` with every change; TENFOLD_EXAMPLES times as many in the thorough run (``make test-slow``)."""
    return quickly * int(os.environ.get("TENFOLD_EXAMPLES", "1"))
