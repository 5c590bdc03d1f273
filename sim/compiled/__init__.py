"""The compiled world: the flow of ``sim.flow`` as an event loop over arrays, with the same policy functions compiled by numba.

The readable flow stays the specification: on every scenario that ``refusals.why_not`` accepts, this world says of every request what
the SimPy world says.

    refusals    which scenarios it cannot run, by name (needs no numba)
    cache       where compiled code is kept between processes (needs no numba to ask)
    replicate   one replication: the same job, the same Part as in the SimPy world
    engine      all tables of one run; settings, dtypes: what is in them
    kernel      functions shared with the other worlds, marked for compilation; bound, rows, ringed: how compiled code holds its tables
    used        which stages a scenario uses: without any, a loop compiled without them runs
    reuse       memory of one replication for the next
    ahead       draws made before they are needed; foresight, prefetch: memory asked for before it is needed
    loop        the event loop; stages, asking: the flow, stage by stage; the rest is what the stages use
"""
