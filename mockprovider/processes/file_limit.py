"""Open files of this process: each connection is one."""

from __future__ import annotations

import resource

MOST = 1_000_000


def raise_file_limit() -> int:
    """Raise the soft limit as far as the system allows, to MOST at most. Returns the limit that holds."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return MOST if soft == resource.RLIM_INFINITY else soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (ValueError, OSError):  # some systems state no hard limit and still refuse
        return soft
    return wanted
