"""The ledger: rules of money, on both databases."""
