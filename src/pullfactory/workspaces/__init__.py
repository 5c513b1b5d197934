"""pyhf workspaces: built from templates, written, read and checked."""
