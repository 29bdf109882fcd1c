"""Pages of documents: statements, exports, and where costs belong."""
