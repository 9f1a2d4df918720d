"""Extracts figures and captions from PDF files: reads pages, matches captions to pictures, and writes pairs.

Users provide their own documents; no part of any document belongs to this project.
"""
