"""Shared helpers: input checks, error messages, output files, compatibility."""
