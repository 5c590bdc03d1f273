"""The load generator: plans, requests, sending them on time, and Locust around it."""
