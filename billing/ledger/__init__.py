"""How money moves: orders, their rules, one transaction, the spool."""
