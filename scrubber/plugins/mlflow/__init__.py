"""MLflow as the host."""
