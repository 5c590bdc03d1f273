"""Ctrl-C and SIGTERM taken at any moment, for the verbs that have something to put in order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from mockprovider.processes.supervisor import Interrupted, interruptible


@contextmanager
def ends_cleanly() -> Iterator[None]:
    """SIGTERM ends like Ctrl-C: everything is unwound, exit code 130."""
    try:
        with interruptible():
            yield
    except Interrupted:
        raise click.Abort from None
