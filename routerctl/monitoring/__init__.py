"""The decision log -> what another table would have cost, and what has moved since the table was built."""
