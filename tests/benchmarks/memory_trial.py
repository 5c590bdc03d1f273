"""One long run in a process of its own: ``python -m tests.benchmarks.memory_trial DURATION ROWS_IN_MEMORY`` prints JSON.

Prediction and summary, as compiled code, one replication after the other; memory is the most that the process ever held.
"""

from __future__ import annotations

import json
import resource
import sys
import time

from sim.analysis.summary import summarize
from sim.data.spill import RowKeeper, Spilled
from sim.data.table import Table
from sim.engine.runner import predict
from tests.benchmarks.trial import scenario_of

SCALE = 100
REPLICATIONS = 10


def main() -> None:
    duration, rows_in_memory = sys.argv[1:]
    keeper = RowKeeper(int(rows_in_memory))
    begun = time.process_time()
    run = predict(scenario_of("gateway", SCALE, duration), SCALE, REPLICATIONS, engine="compiled", keeper=keeper)
    predicted = time.process_time()
    (entry,) = summarize([run], "")["runs"]
    assert isinstance(run.requests, Table)
    result = {
        "requests": len(run.requests),
        "attempts": len(run.attempts),
        "spilled": any(isinstance(part, Spilled) for part in run.requests.parts),
        "counted": entry["requests"],
        "predict_cpu_s": predicted - begun,
        "summary_cpu_s": time.process_time() - predicted,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
