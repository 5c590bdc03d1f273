"""Child processes of a run, a mock provider's or any other part's: started together, watched, ended together."""
