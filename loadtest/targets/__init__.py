"""Deployments that verify can start: reference, url, and others."""
