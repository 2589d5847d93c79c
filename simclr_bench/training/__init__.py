"""The encoder, its contrastive pretraining and the probes on its features."""
