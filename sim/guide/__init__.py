"""The field guide on scaling AI agents, run: its mistakes found in a scenario, its checklists walked, its tables beside the model's."""
