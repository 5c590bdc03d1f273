"""M/M/50 as each peer's own documentation writes it. Every file runs alone, under whatever Python its package needs.

Usage: ``python mm50_PEER.py CUSTOMERS SEED`` prints one JSON object: requests, cpu_s, mean_wait_s.
"""
