"""What stages and providers are written in: states that are objects in Python and records in compiled code, and the containers of them."""
