"""What a page says, decided before any HTML: pure functions from the store's answers to frozen sheets.

A sheet holds finished sentences and drawings; the templates only place them.
"""
