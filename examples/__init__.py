"""Small whole apps, about a page each, each a test."""
