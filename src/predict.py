"""The command of a checkout: use a trained network."""

from small_nets.commands.console import predict

if __name__ == "__main__":
    predict()
