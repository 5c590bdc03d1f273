"""How late is each streamed token? Ours against a naive server at 500 streams, against aimock (npm) at 50; seen by the client.

    python -m tests.benchmarks.mock_lateness [--rounds 3] [--peers ~/.cache/tenfold-peers]

Rounds interleave the servers; the verdict is about the median round of each.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks import servers
from tests.benchmarks.keeping import keep
from tests.benchmarks.stream_client import Shape, time_streams

TTFT_S, PER_TOKEN_S, TOKENS = 0.2, 0.02, 100
PEERS = Path.home() / ".cache" / "tenfold-peers"


def measure(name: str, serve: Any, streams: int, key: str = "k") -> dict[str, Any]:
    with serve as (port, pid):
        before_s = servers.cpu_s(pid)
        timing = time_streams(port, Shape(streams, TTFT_S, PER_TOKEN_S, TOKENS), key)
        return {"server": name, "streams": streams, **timing.summary(), "server_cpu_s": round(servers.cpu_s(pid) - before_s, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", type=Path, default=PEERS)
    given = parser.parse_args()
    executable = servers.install_aimock(given.peers / "aimock")
    shape = (TTFT_S, PER_TOKEN_S, TOKENS)
    rows = []
    for _ in range(given.rounds):
        for streams in (500, 50):
            rows.append(measure("tenfold mock", servers.tenfold(*shape), streams, "sk-mock-openai-0"))
            rows.append(measure("naive asyncio.sleep", servers.naive(*shape), streams))
            if executable is not None and streams == 50:
                rows.append(measure(servers.AIMOCK, servers.aimock(executable, *shape), streams))

    def p99(server: str, streams: int) -> float:
        return median(row["p99_ms"] for row in rows if (row["server"], row["streams"]) == (server, streams))

    ours, others = p99("tenfold mock", 500), p99("naive asyncio.sleep", 500)
    verdicts = {
        f"P99 lateness at 500 streams <= 5 ms (median round: {ours:.2f} ms)": ours <= 5.0,
        f"at 500 streams >= 20x better than naive asyncio.sleep ({others / ours:.0f}x)": others >= 20 * ours,
        "no stream failed and no token is missing": all(row["missing_tokens"] == 0 for row in rows if row["server"] == "tenfold mock"),
    }
    if executable is not None:
        ours, others = p99("tenfold mock", 50), p99(servers.AIMOCK, 50)
        verdicts[f"at 50 streams >= 5x better than {servers.AIMOCK} ({others / ours:.0f}x)"] = others >= 5 * ours
    notes = f"Each stream: {TTFT_S * 1e3:g} ms to the first token, {PER_TOKEN_S * 1e3:g} ms per token, {TOKENS} tokens. Lateness is the "
    notes += "client's receipt minus (request sent + intended offset), so it includes the client's own delay, which is the same for all."
    keep("mock_lateness", "Lateness of streamed tokens", rows, verdicts, notes if executable else notes + " aimock could not be installed.")


if __name__ == "__main__":
    main()
