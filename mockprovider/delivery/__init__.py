"""Answers on their way: the bytes, when each is due, handing it out then, and how late that was."""
