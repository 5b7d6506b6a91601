"""``python -m otoscope COMMAND ...``, the same as ``otoscope COMMAND ...``."""

from otoscope.cli.main import main

if __name__ == "__main__":
    main()
