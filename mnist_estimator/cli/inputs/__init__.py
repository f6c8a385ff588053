"""Images and labels from the files that a command is given."""
