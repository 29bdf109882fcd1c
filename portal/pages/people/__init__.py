"""Pages about people: signing in, accounts, members, projects, an organization."""
