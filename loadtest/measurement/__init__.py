"""Measuring a deployment: the whole run, and the Run made of its logs."""
