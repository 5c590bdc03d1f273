"""What the mock knows to have happened: its truth log, its metrics, and the certificate of its timeliness."""
