"""What people write: studies, audits and their samples, read and checked once, frozen after."""
