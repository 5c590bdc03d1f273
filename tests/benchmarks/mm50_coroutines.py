"""M/M/50 as plain coroutines on Tenfold's CoroutineEnvironment with its admission policy: the SimPy world without the gateway."""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Iterator

from sim.coroutines import CoroutineEnvironment, Life, park, pause
from sim.policy.admission import Admission, enter, leave

from sim.engine.simpy_driver.replicate import no_garbage_collection
from sim.scenario.model import Queue


def main() -> None:
    customers, seed = int(sys.argv[1]), int(sys.argv[2])
    random.seed(seed)
    env = CoroutineEnvironment()
    servers = Admission(Queue(concurrency=50, waiting="unlimited"))
    records: list[tuple[float, float, float]] = []

    async def customer() -> None:
        arrived_s = env.now_s
        ticket = enter(servers, arrived_s)
        assert ticket is not None
        if not ticket.granted:
            await park(env, ticket)
        started_s = env.now_s
        await pause(random.expovariate(1.0))
        records.append((arrived_s, started_s, env.now_s))
        following = leave(servers, ticket, env.now_s)
        if following is not None:
            env.wake(following)

    def source() -> Iterator[float]:
        for _ in range(customers):
            yield random.expovariate(40.0)
            env.start(Life(customer()))

    begun = time.process_time()
    with no_garbage_collection():
        env.run_dry(source())
    cpu_s = time.process_time() - begun
    wait_s = sum(started_s - arrived_s for arrived_s, started_s, _ in records) / len(records)
    print(json.dumps({"requests": len(records), "cpu_s": cpu_s, "mean_wait_s": wait_s}))


if __name__ == "__main__":
    main()
