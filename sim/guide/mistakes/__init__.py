"""The guide's six mistakes, one file each.

A file has WORDS (the guide's own) and ``find(trials)``: what is found, or None. To be found takes both, something in the scenario that
makes the mistake possible, and a run that shows what comes of it; the change that mends it is tried with the same random numbers.
"""
