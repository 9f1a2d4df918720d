"""``zsderm serve``: a web page and an HTTP interface for classification and review of photographs.

settings   address, model and limits
app        the application, from its settings
running    the objects that live as long as the application: model, queue, decoders, jobs
routes     the HTTP routes, one file a noun
schemas    JSON models of requests and answers; knowledge_schemas: of diseases, class lists and models
problems   errors in one form, RFC 9457
uploads    a form with photographs, written to the disk as it arrives
contents   the photographs in archives and the pictures in DICOM files
pictures   decodes and scales photographs in other processes, whose crash does not stop the server
engine     one model, fed in small batches from all requests
answers    turns embeddings into answers, with one classifier for each class list
jobs       many photographs, in a database that survives a restart
review     verdicts of readers on answers
security   access control by host, origin and key
pages      the web page, with its templates and static files
client     a Python client

It needs the extra ``serve``; nothing here is imported by the rest of the library.
"""
