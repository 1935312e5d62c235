"""Training of the fullpose cascade: labels, augmentation, cascade training, evaluation and export. Run modules from the repository root."""
