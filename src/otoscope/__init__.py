"""Otoscope looks inside networks that listen: in words, in numbers, and in sound you can play."""

__version__ = "0.1.0"
