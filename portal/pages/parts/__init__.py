"""What pages are made of: frame, navigation, tables, filters, charts, fields, CSV."""
