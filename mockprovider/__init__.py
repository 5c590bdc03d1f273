"""Mock LLM providers over real wire formats, with the model's own behaviour, faults and draws."""
