"""Pictures, one kind a file: figures from plain numbers, which know neither models nor files."""
