"""Estimators, intervals, costs and forecasts: pure functions of numbers."""
