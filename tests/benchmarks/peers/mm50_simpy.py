"""M/M/50 in SimPy: a Process a customer, a Resource, records kept."""

import json
import random
import sys
import time

import simpy

customers, seed = int(sys.argv[1]), int(sys.argv[2])
random.seed(seed)
env = simpy.Environment()
servers = simpy.Resource(env, capacity=50)
records = []


def customer():
    arrived = env.now
    with servers.request() as turn:
        yield turn
        started = env.now
        yield env.timeout(random.expovariate(1.0))
    records.append((arrived, started, env.now))


def source():
    for _ in range(customers):
        yield env.timeout(random.expovariate(40.0))
        env.process(customer())


begun = time.process_time()
env.process(source())
env.run()
cpu_s = time.process_time() - begun
wait = sum(started - arrived for arrived, started, _ in records) / len(records)
print(json.dumps({"requests": len(records), "cpu_s": cpu_s, "mean_wait_s": wait}))
