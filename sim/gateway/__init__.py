"""The gateway that is modelled: its state, and a request on its way through it."""
