"""The readers of documents, one file for each kind of source; ``scrubber.core.corpus`` is their door."""
