"""The command line: thin faces over the same functions that Python users call; one file per command."""
