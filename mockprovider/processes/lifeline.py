"""A child must not outlive its parent, however the parent ends.

``python mockprovider/processes/lifeline.py PARENT -- command args…`` becomes that command with the kernel's promise (Linux:
``PR_SET_PDEATHSIG``) to send it SIGTERM when its parent dies; the promise survives exec, so it also holds for programs that nobody here
wrote. Children of our own call ``die_with_parent`` themselves. Elsewhere than Linux a thread watches the parent's id.

The kernel means the parent *thread*: start children from a thread that lives as long as the process. Standard library only: it starts in
20 ms.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time

PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int | None = None) -> None:
    """Arrange for SIGTERM to this process when its parent ends.

    ``parent``: the id it should have; exits at once if that one is gone already.
    """
    expected = os.getppid() if parent is None else parent
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != expected:
            sys.exit(143)
    else:
        threading.Thread(target=_watch, args=(expected,), daemon=True, name="lifeline").start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)


def command(argv: list[str]) -> list[str]:
    """``argv`` behind this launcher, tied to the calling process. Third-party programs are tied on Linux only."""
    return [sys.executable, "-I", "-S", os.path.abspath(__file__), str(os.getpid()), "--", *argv]  # noqa: PTH100 (pathlib would double the start)


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))  # our parent blocks them while it starts us
    if sys.platform == "linux":
        die_with_parent(int(sys.argv[1]))
    os.execvp(sys.argv[3], sys.argv[3:])
