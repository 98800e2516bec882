"""Compute-optimal sampling of synthetic reasoning data with Gemma in JAX."""

__version__ = '0.1.0'
