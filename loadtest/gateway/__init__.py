"""The reference gateway: the asyncio world of the same flow that the model runs."""
