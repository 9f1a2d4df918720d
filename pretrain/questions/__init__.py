"""Questions and answers about pictures, out of their captions and nothing else.

`facts` says what a caption tells of its picture, `look_alikes` what it excludes; `rules` and `server` are the engines
that ask, `grounding` holds every question against the caption, `balance` chooses closed questions and options so that
words alone give no answer away, `table` and `conversations` write.
"""
