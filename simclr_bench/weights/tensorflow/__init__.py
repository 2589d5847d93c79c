"""Official TensorFlow checkpoints, read where there is TensorFlow, turned into tensors of ours."""
