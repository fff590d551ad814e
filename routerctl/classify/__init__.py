"""A prompt -> its task class: rules for the obvious, a small classifier for the middle, the default for the rest."""
