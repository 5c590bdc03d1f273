"""The reference gateway: the chain that the model runs, on real sockets."""
