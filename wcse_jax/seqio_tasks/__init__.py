"""The tasks as TFDS datasets and seqio Tasks: the only TensorFlow."""
