"""The version, a literal that the build reads without importing the package."""

__version__ = "0.7.0"
