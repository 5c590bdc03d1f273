"""From logs and a gateway's configuration to a scenario: read, fit, write down with the evidence."""
