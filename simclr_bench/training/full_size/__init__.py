"""Training of full-size networks on folders of images: SimCLR, fine-tuning, distillation."""
