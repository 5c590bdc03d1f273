"""Answers on their way: when each byte is due, and handing it out then."""
