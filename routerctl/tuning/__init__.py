"""Evidence -> thresholds of confidence, and the trained classifier."""
