"""Where compiled code is kept between processes: a directory of its own for every state of the sources it was compiled from.

numba's cache looks at the age of one source file only; here a change to any policy, which compiled code contains, starts afresh.
``TENFOLD_CACHE_DIR`` says where; by default the user's cache directory, or one of their own in the temporary directory.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

KEPT = 4  # states of the sources
SOURCES = (
    "kernel/*.py", "gateway/**/*.py", "provider/*.py", "data/*.py", "stochastics/*.py", "workload/client_retries.py",
    "engine/compiled_driver/*.py",
)  # fmt: skip


def candidates() -> Iterator[Path]:
    if chosen := os.environ.get("TENFOLD_CACHE_DIR"):
        yield Path(chosen)
    home = os.environ.get("XDG_CACHE_HOME") or (Path(os.environ["HOME"]) / ".cache" if "HOME" in os.environ else None)
    if home:
        yield Path(home) / "tenfold"
    yield Path(tempfile.gettempdir()) / f"tenfold-{os.getuid() if hasattr(os, 'getuid') else 'cache'}"


@cache
def fingerprint() -> str:
    """Of the sources and of what compiles them."""
    digest = hashlib.sha256(sys.version.encode())
    root = Path(__file__).parents[2]
    for pattern in SOURCES:
        for path in sorted(root.glob(pattern)):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@cache
def directory() -> Path | None:
    """The directory for the code of these sources, made if need be; None if it cannot be written to anywhere."""
    for base in candidates():
        place = base / f"compiled-{fingerprint()}"
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not is_ours(place):
                continue
            with tempfile.TemporaryFile(dir=place):
                pass
        except OSError:
            continue
        forget_old(base, place)
        return place
    return None


def is_ours(place: Path) -> bool:
    """Code from a directory that others can write to is not run."""
    status = place.stat()
    return not hasattr(os, "getuid") or (status.st_uid == os.getuid() and not status.st_mode & 0o022)


def forget_old(base: Path, place: Path) -> None:
    """Keep the newest KEPT states."""
    others = sorted((other for other in base.glob("compiled-*") if other != place), key=lambda other: other.stat().st_mtime, reverse=True)
    for other in others[KEPT - 1 :]:
        shutil.rmtree(other, ignore_errors=True)


def is_kept(program: str) -> bool:
    """Whether somebody has compiled these sources here before for the same types."""
    place = directory()
    return place is not None and (place / f"{program}.kept").exists()


def note_kept(program: str) -> None:
    place = directory()
    if place is not None:
        (place / f"{program}.kept").touch()


def compiled(function: Callable[..., Any]) -> Any:
    """``numba.njit`` of an entry point, kept on disk where there is room for it."""
    from numba import njit
    from numba.core import config

    from sim.engine.compiled_driver.numbing import ENTRY

    place = directory()
    if place is None:
        return njit(**ENTRY)(function)
    settings: Any = config
    before, settings.CACHE_DIR = settings.CACHE_DIR, str(place)
    try:
        return njit(cache=True, **ENTRY)(function)
    finally:
        settings.CACHE_DIR = before
