"""Pieces of the packages detector: where names stand in code, commands and manifests, and what is judged of them."""
