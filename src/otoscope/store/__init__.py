"""What lies on disk: bytes, tables and arrays; the run folder. Never sound."""
