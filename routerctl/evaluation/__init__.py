"""Eval sets or imported outcomes -> runs -> selection -> the routing table, and what it is worth."""
