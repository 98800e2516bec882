"""Procedural arithmetic: problems without end, whose steps are checked."""
