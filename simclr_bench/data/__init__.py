"""Images: the procedural sets, their augmentation, and the randomness behind both."""
