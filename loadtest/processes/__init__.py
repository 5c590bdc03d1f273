"""Child processes of a run: started together, ended together."""
