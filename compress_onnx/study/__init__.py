"""The order of the stages: from models and images to a record, and grids of such cells."""
