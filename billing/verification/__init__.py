"""The ledger proves itself: every stored figure is derived again."""
