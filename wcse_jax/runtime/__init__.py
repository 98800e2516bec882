"""Processes: replicas, children, progress."""
