"""Tenfold's model: scenario, pure core, SimPy world, and everything that reads results."""
