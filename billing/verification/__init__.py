"""Every stored figure of the ledger, derived again and compared."""
