"""Against TensorFlow itself, which lives in an environment of its own (`make tensorflow`)."""
