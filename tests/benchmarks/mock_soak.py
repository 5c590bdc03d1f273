"""200 streams without pause: memory, file descriptors and timing of the mock must not drift.

python -m tests.benchmarks.mock_soak [--minutes 10] [--streams 200]
"""

from __future__ import annotations

import argparse
import json
import time
import urllib.request
from typing import Any

import psutil

from tests.benchmarks import servers
from tests.benchmarks.keeping import keep
from tests.benchmarks.stream_client import Shape, time_streams

WARM_UP_ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--streams", type=int, default=200)
    given = parser.parse_args()
    shape = Shape(given.streams, 0.2, 0.02, 400, spread_s=2.0)
    samples: list[dict[str, Any]] = []
    with servers.tenfold(shape.ttft_s, shape.per_token_s, shape.tokens) as (port, pid):
        process = psutil.Process(pid)
        until_s, rounds = time.monotonic() + given.minutes * 60, 0
        while time.monotonic() < until_s or rounds <= WARM_UP_ROUNDS:
            timing = time_streams(port, shape, "sk-mock-openai-0", prompt=f"[tf:{{number}}{rounds:04d}:{{tokens}}]hello there")
            rounds += 1
            time.sleep(0.2)
            samples.append({
                "round": rounds, "minutes": round((time.monotonic() - until_s) / 60 + given.minutes, 2),
                "memory_mb": round(process.memory_info().rss / 1e6, 1), "files": process.num_fds(), "threads": process.num_threads(),
                **timing.summary(),
            })  # fmt: skip
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_mock/certificate") as response:
            certificate = json.loads(response.read())
    steady = samples[WARM_UP_ROUNDS:]
    grown_mb = steady[-1]["memory_mb"] - steady[0]["memory_mb"]
    minutes, streams = steady[-1]["minutes"] - steady[0]["minutes"], given.streams * len(steady)
    verdicts = {
        f"memory steady over {minutes:.1f} min ({grown_mb:+.1f} MB, {streams} streams)": grown_mb < 5.0,
        f"file descriptors steady ({steady[0]['files']} to {steady[-1]['files']})": steady[-1]["files"] <= steady[0]["files"],
        f"every token came ({sum(row['tokens'] for row in samples)})": all(row["missing_tokens"] == 0 for row in samples),
        f"certificate valid {certificate['why_invalid'] or ''}": certificate["valid"],
    }
    shown = samples if len(samples) <= 12 else samples[:: len(samples) // 10]
    keep("mock_soak", f"Soak: {given.streams} streams", shown, verdicts, f"Certificate: `{json.dumps(certificate['lateness_s'])}`")


if __name__ == "__main__":
    main()
