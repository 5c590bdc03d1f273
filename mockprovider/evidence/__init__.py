"""What the mock knows to have happened: its truth log, its lateness, and the certificate made of them."""
