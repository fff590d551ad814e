"""A candidate and a prompt -> an answer, and how far it is to be trusted."""
