"""What each command does once its options are read, and what its result looks like."""
