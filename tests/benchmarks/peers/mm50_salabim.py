"""M/M/50 in salabim, in its yield mode (its faster one), without tracing."""

import json
import random
import sys
import time

import salabim

customers, seed = int(sys.argv[1]), int(sys.argv[2])
random.seed(seed)
salabim.yieldless(False)
env = salabim.Environment(trace=False)
servers = salabim.Resource("servers", capacity=50)
records = []


class Customer(salabim.Component):
    def process(self):
        arrived = env.now()
        yield self.request(servers)
        started = env.now()
        yield self.hold(random.expovariate(1.0))
        self.release()
        records.append((arrived, started, env.now()))


class Source(salabim.Component):
    def process(self):
        for _ in range(customers):
            yield self.hold(random.expovariate(40.0))
            Customer()


begun = time.process_time()
Source()
env.run()
cpu_s = time.process_time() - begun
wait = sum(started - arrived for arrived, started, _ in records) / len(records)
print(json.dumps({"requests": len(records), "cpu_s": cpu_s, "mean_wait_s": wait}))
