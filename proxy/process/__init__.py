"""What one gateway process keeps: connections, caches, its lease."""
