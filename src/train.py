"""The command of a checkout: one run, or many with -m."""

if not __package__:
    raise SystemExit("Error: run it from the project's folder as: python -m src.train")

from small_nets.commands.console import train

if __name__ == "__main__":  # a process that is started by it imports it, too
    train()
