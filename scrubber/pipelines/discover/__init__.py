"""The discovery loop: asks a model for packages, finds those it makes up, and trains until it names real ones instead."""
