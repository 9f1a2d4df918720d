"""The command line, for where the program ``zsderm`` is not on the path: ``python -m zsderm``."""

from __future__ import annotations

from zsderm.cli import main

if __name__ == "__main__":
    main(prog_name="zsderm")
