"""A thread beside a run, as long as a context lasts."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def beside(watch: Callable[[threading.Event], None], name: str) -> Iterator[None]:
    """``watch`` runs in a thread of that name, and returns soon after its event is set, when the context ends."""
    ended = threading.Event()
    thread = threading.Thread(target=watch, args=(ended,), name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
