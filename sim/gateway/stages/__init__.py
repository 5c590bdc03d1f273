"""The gateway's stages: a file is a policy. ``sim.gateway.chain`` says in which order a call passes them."""
