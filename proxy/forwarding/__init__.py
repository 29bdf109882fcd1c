"""The call to the upstream and what its answer means."""
