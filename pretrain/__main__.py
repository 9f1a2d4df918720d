"""``torchrun --nproc-per-node 8 -m zsderm.pretrain --config FILE``: the command, once a process.

The same options as ``zsderm pretrain``, which is this command for one process.
"""

from __future__ import annotations

import sys
from importlib import import_module


def main() -> None:
    """Hand the arguments to the command line of the package, which prints a user's mistake as one sentence."""
    sys.argv = ["zsderm", "pretrain", *sys.argv[1:]]
    import_module("zsderm.cli").main()


if __name__ == "__main__":
    main()
