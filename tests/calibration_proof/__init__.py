"""Gateways with known policies, which a calibration that is told nothing but their URL has to find."""
