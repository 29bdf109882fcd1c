"""The words of the ledger as plain values: they import nothing of ours."""
