"""Speed and memory, measured: ``python -m benchmarks`` prints a table and writes JSON. No test is timed."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does; read when torch is imported
