"""Sets of tasks with hidden tests. One benchmark a file."""
