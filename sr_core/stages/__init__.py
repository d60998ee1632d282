"""The stages of a job. Each takes a manifest, does what is not done yet, and leaves receipts behind."""
