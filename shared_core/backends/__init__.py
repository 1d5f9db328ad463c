"""Every place a model runs, as one row or one class each."""
