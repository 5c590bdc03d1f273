"""``python -m tests.benchmarks [NAME …] [-- OPTIONS]``: run these benchmarks (default: all) and keep what they find."""

from __future__ import annotations

import importlib
import sys
import time

BENCHMARKS = {
    "model_gateway": "the model against naive SimPy, and on launch.yaml",
    "model_mm50": "M/M/50 against general simulators",
    "model_memory": "memory of 10 and 20 million requests",
    "load_and_gateway": "load engine and reference gateway",
    "sweep": "50 configurations of launch.yaml at 10x, also on a Dask cluster",
    "generator": "the load generator beside k6 and Locust's FastHttpUser",
    "gate": "detection and false alarms of check against a baseline",
    "gateway_cpu": "the reference gateway's CPU per call",
    "mock_throughput": "the mock's CPU per request",
    "mock_lateness": "the mock's lateness with many streams",
    "mock_distributions": "the mock's times against their laws",
    "mock_soak": "the mock for a long time",
    "import": "logs of ten million rows imported",
}


def main() -> int:
    arguments = sys.argv[1:]
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    names, options = arguments[:cut] or list(BENCHMARKS), arguments[cut + 1 :]
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        listed = "\n".join(f"  {name}: {what}" for name, what in BENCHMARKS.items())
        print(f"there is no benchmark {', '.join(unknown)}; there are\n{listed}", file=sys.stderr)
        return 2
    for name in names:
        begun = time.perf_counter()
        print(f"== {name}: {BENCHMARKS[name]}", file=sys.stderr, flush=True)
        sys.argv = [name, *options]
        importlib.import_module(f"tests.benchmarks.{name}").main()
        print(f"== {name} took {time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
