"""M/M/50 in Ciw, with its records."""

import json
import sys
import time

import ciw

customers, seed = int(sys.argv[1]), int(sys.argv[2])
network = ciw.create_network(
    arrival_distributions=[ciw.dists.Exponential(40.0)], service_distributions=[ciw.dists.Exponential(1.0)], number_of_servers=[50]
)
ciw.seed(seed)
begun = time.process_time()
simulation = ciw.Simulation(network)
simulation.simulate_until_max_time(customers / 40.0)
records = simulation.get_all_records()
cpu_s = time.process_time() - begun
wait = sum(record.waiting_time for record in records) / len(records)
print(json.dumps({"requests": len(records), "cpu_s": cpu_s, "mean_wait_s": wait}))
