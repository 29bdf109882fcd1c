"""The pages of people: one file a page, with its form."""
