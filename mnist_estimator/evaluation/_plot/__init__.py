"""Displays: they draw what the other modules compute."""
