"""The networks this project trains itself: architectures, recipes, training and checkpoints (torch)."""
