"""Published numbers, as data with their source: what a reproduction is compared with."""
