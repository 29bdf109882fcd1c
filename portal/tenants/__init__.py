"""Who may do what: organizations, members, projects, keys, audit."""
