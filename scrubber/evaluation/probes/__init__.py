"""How a model is asked. One probe a file."""
