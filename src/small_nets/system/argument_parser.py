"""argparse, for the commands that are no Hydra."""

import argparse
from typing import Any

from small_nets.system.printable import printable


class Parser(argparse.ArgumentParser):
    """Repeats a wrong argument in its message without the control characters in it."""

    def _print_message(self, message: str, file: Any = None) -> None:
        super()._print_message(printable(message), file)
