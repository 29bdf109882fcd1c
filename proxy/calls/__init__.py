"""One call from its hold to its settlement."""
