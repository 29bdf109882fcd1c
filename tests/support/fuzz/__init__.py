"""Requests and upstream replies that no honest program sends, drawn by chance."""
