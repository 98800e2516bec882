"""Checkpoints on disk: what a folder holds, and each format in and out."""
