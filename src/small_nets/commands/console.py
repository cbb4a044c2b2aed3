"""The doors of the commands: signals are taken before anything heavy is imported.

An exception that a signal raises inside an import would end in a traceback.
"""

from small_nets.system.signals import take_signals


def train() -> None:
    """`small-nets`, and `python -m src.train`."""
    take_signals()
    from small_nets.commands.train import main

    main()


def predict() -> None:
    """`small-nets-predict`, and `python -m src.predict`."""
    take_signals()
    from small_nets.commands.predict import main

    main()


def report() -> None:
    """`small-nets-report`, and `python -m src.report`."""
    take_signals()
    from small_nets.commands.report import main

    main()
