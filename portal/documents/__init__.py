"""Statements, receipts and exports: what leaves the portal as a document or a file."""
