"""Jobs: from the call that starts one to the statement that settles it."""
