"""M/M/50 in queueing-tool (needs NumPy 1), with its data collected."""

import json
import random
import sys
import time

import queueing_tool

customers, seed = int(sys.argv[1]), int(sys.argv[2])
random.seed(seed)
queue = queueing_tool.QueueServer(
    num_servers=50, arrival_f=lambda t: t + random.expovariate(40.0), service_f=lambda t: t + random.expovariate(1.0), seed=seed
)
queue.set_active()
queue.collect_data = True
begun = time.process_time()
queue.simulate(n=2 * customers)  # arrivals and departures
data = queue.fetch_data()
cpu_s = time.process_time() - begun
served = data[data[:, 2] > 0]
print(json.dumps({"requests": len(served), "cpu_s": cpu_s, "mean_wait_s": float((served[:, 1] - served[:, 0]).mean())}))
