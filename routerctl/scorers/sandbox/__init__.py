"""What a model wrote -> what it does, found in a child process with limits."""
