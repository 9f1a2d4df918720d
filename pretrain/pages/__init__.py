"""Figures and captions out of PDF files: pages are read, captions matched to pictures, pairs written for training.

Only the reader's own books and articles go in; nothing of them is part of this project.
"""
