"""How an export is written: one file a format, each from rows to bytes, in a stream."""
