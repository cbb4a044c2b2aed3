"""The command of a checkout: look at a sweep or a run."""

from small_nets.commands.console import report

if __name__ == "__main__":
    report()
