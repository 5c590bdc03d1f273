"""Randomness that replays: keyed streams of uniforms, and distributions as inverse functions."""
