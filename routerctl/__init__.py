"""A lock file for model choice, with the evidence behind every line of it."""

__version__ = "0.1.0"
