"""The evaluation line's middle: eval sets x candidates -> results under reports/<run id>/."""
