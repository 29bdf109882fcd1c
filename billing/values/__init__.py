"""What every room stands on: amounts, orders, errors, ids, clock, crash points."""
