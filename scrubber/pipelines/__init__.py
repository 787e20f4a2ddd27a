"""Stages take values and return values; flows compose stages."""
