"""Gemma models: architectures, weights in and out, sharding rules."""
