"""What a call may cost at most, and what its usage costs."""
