"""The argument parser of the commands that do not use Hydra."""

import argparse
from typing import Any

from small_nets.system.printable import printable


class Parser(argparse.ArgumentParser):
    """An argparse parser that escapes control characters where a message repeats an argument."""

    def _print_message(self, message: str, file: Any = None) -> None:
        super()._print_message(printable(message), file)
