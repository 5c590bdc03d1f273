"""The control plane of a run: how its processes are reached."""
