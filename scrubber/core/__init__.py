"""The words and the engine: knows no paper, no detector, no host."""
