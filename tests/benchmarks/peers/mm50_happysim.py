"""M/M/50 in happysim (needs Python 3.13): Source, Server, Sink."""

import json
import random
import sys
import time

from happysimulator import ExponentialLatency, Server, Simulation, Sink, Source

customers, seed = int(sys.argv[1]), int(sys.argv[2])
random.seed(seed)
sink = Sink()
server = Server("server", concurrency=50, service_time=ExponentialLatency(1.0), downstream=sink)
source = Source.poisson(rate=40.0, target=server, stop_after=customers / 40.0)
begun = time.process_time()
Simulation(sources=[source], entities=[server, sink], duration=customers / 40.0 + 60).run()
cpu_s = time.process_time() - begun
print(json.dumps({"requests": sink.events_received, "cpu_s": cpu_s, "mean_wait_s": float(sink.average_latency()) - 1.0}))
