"""The report people look at: one self-contained HTML file from a run's record, samples and pictures."""
