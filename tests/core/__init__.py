"""The modules that every room may use."""
