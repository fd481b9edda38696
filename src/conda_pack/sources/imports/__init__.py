"""What Python sources import → the conda packages that bring it, and the proof that they do."""
