"""What all parts share: checks of input, words for errors, files, compatibility."""
