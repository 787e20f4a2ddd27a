"""Hosts: where Scrubber is a guest."""
