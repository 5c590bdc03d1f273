"""Who said no: every limit that can refuse a request or an attempt has a name, and a code for it in the rows."""

from __future__ import annotations

import zlib

import numpy as np

NOT_REFUSED = 0
NAMES: dict[int, str] = {NOT_REFUSED: ""}


def refusal(name: str) -> int:
    """The code of a limit, from its name alone: a new limit renumbers none, in whatever order modules are imported.

    Raises ValueError where two names have the same code.
    """
    code = 1 + zlib.crc32(name.encode()) % 32_749
    if NAMES.setdefault(code, name) != name:
        raise ValueError(f"the limits {name!r} and {NAMES[code]!r} have the same code: call one of them otherwise")
    return code


def names_in(*columns: np.ndarray) -> dict[int, str]:
    """The names of the codes in ``refused_by`` columns, as far as this process knows them: who reads the rows may not."""
    codes = {code for column in columns for code in np.unique(column).tolist()}
    return {code: NAMES[code] for code in sorted(codes) if code != NOT_REFUSED and code in NAMES}
