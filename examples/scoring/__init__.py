"""Files of many images, and how fast processes predict them without an engine."""
