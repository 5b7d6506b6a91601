"""Speed and memory, measured: ``python -m benchmarks`` prints a table and writes JSON. No test is timed."""
