"""Pure renderers of Findings and Reports."""
