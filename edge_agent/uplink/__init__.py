"""Sending statements, and letting go of what a receipt covers."""
