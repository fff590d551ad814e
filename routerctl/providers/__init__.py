"""The only place that calls a model: one file per kind of provider, and one retry loop (`base.py`)."""
