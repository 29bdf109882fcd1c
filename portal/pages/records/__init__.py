"""Pages about what was done: the audit trail."""
