"""Ctrl-C is not lost where somebody else's code swallows exceptions."""

from __future__ import annotations

import signal

import pytest

from sim.interrupts import interrupts_kept


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)  # to this thread; Python's handler runs before its next steps
    for _ in range(1000):
        pass


def swallow() -> None:
    try:
        interrupt()
    except KeyboardInterrupt:
        pass


def test_a_swallowed_interrupt_is_raised_at_the_end():
    said = []

    def work() -> None:
        with interrupts_kept():
            swallow()
            said.append("went on")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert said == ["went on"]


def test_one_that_is_not_swallowed_ends_the_work_at_once():
    said = []

    def work() -> None:
        with interrupts_kept():
            interrupt()
            said.append("went on")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert said == []


def test_the_handler_is_as_it_was_and_no_interrupt_is_no_error():
    before = signal.getsignal(signal.SIGINT)
    with interrupts_kept():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
