"""The scenario language: one file that drives the model, the mock providers, the gateway, the load, the faults and the budgets."""
