"""What people ask for, one verb a file: runs, toys, audits, predictions."""
