"""What the answers mean. One metric a file."""
