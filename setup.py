"""Which packages there are; all else is in pyproject.toml. It could find them too, but not those and one that lies elsewhere."""

from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["sim*", "mockprovider*", "loadtest*"]), "sim.scenarios"])
