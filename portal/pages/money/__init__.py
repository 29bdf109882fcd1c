"""Pages about credits: grants, ledger, explained balances, budgets, prices."""
