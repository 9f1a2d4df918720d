"""How results look in a notebook: short texts, tables, and a gallery of photographs with their answers.

tables     a table as HTML
answers    the table of predictions, and their one-line text
gallery    photographs beside what was answered
"""
