"""What an export has in it: columns, and rows that are read while they are written."""
