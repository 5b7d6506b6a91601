"""Explained clips on a page: what each method keeps, seen and heard, beside controls; reads the run folder only."""
