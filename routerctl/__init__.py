"""A lock file for model choice, with the evidence behind every line of it."""
