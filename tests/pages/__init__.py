"""Every page: which there are, over how much, and what each costs. `make pages`."""
