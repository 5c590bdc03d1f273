"""``python -m mockprovider --scenario FILE --provider NAME``: one mock provider as a process of its own."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mockprovider.processes import lifeline
from mockprovider.server.process import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m mockprovider", description=__doc__)
    parser.add_argument("--scenario", type=Path, required=True)
    parser.add_argument("--provider", required=True)
    parser.add_argument("--host", default="127.0.0.1", help="loopback by default")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--seed", type=int, help="default: the scenario's")
    parser.add_argument("--scale", type=float, default=1.0, help="told in /_mock/health; a provider's capacity does not scale")
    parser.add_argument("--child", action="store_true", help="end when the parent process ends")
    given = parser.parse_args()
    if given.child:
        lifeline.die_with_parent()
    return run(given.scenario, given.provider, given.host, given.port, given.seed, given.scale)


if __name__ == "__main__":
    sys.exit(main())
