"""Images from named data sets, Parquet, folders and NumPy archives, and which of them calibrate."""
