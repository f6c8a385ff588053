"""What `compare_wrappers.py` is made of: estimators, features, the runs and the table."""
