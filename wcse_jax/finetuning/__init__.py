"""Finetuning: batches of a packed table, the train step, the loop."""
