"""Run directories: what is written, read back, and where it came from."""
