"""Scrubber: finds what a code model must not know, makes it forget, proves it, and gates the release."""

__version__ = "0.1.0"
