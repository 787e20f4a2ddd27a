"""What makes a model forget."""
