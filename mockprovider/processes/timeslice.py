"""Short slices of CPU time for processes that have to be punctual: Linux then lets them run sooner after they wake up, and for less long.

Their share of the CPU stays the same, and so does what a gateway beside them gets. The scheduler (EEVDF) takes the length of a slice from
the process itself since Linux 6.12 (sched_setattr(2), ``sched_runtime``); older ones disregard it.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys

SLICE_NS = 100_000
"""The shortest that Linux grants; its own are 3 ms and more, and so long may a process that wakes up wait for one that computes."""
SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
FORMAT = "=IIQiIQQQ"  # struct sched_attr, its first version: size, policy, flags, nice, priority, runtime, deadline, period


def ask_for_short_slices() -> bool:
    """For this thread and those that it starts. False where the system knows no such request."""
    number = SCHED_SETATTR.get(platform.machine())
    if not sys.platform.startswith("linux") or number is None:
        return False
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    attributes = struct.pack(FORMAT, struct.calcsize(FORMAT), os.SCHED_OTHER, 0, nice, 0, SLICE_NS, 0, 0)
    return ctypes.CDLL(None, use_errno=True).syscall(number, 0, attributes, 0) == 0
