"""A short run that many tests change, and what equal runs have in common."""

SAME = ("metrics", "predictions", "parameters", "curves")
SHORT = ("+experiment=temperature_mlp", "trainer.max_epochs=60", "log_every=10")
