"""What measures a model: how it is asked, and what the answers mean."""
