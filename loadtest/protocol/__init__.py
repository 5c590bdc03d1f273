"""Reading what a gateway streams."""
