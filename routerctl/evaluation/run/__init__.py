"""Eval sets x candidates -> results under reports/<run id>/, and what that takes before the first call."""
