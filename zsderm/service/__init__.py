"""``zsderm serve``: a page and an HTTP interface for the people who look at the photographs.

settings   where it listens, which model, how much it takes
app        the application, from its settings
running    what lives as long as the application: model, queue, decoders, jobs
routes     what can be asked, one file a noun
schemas    what is asked and answered, as JSON; knowledge_schemas: of diseases, class lists and models
problems   errors in one form, RFC 9457
uploads    a form with photographs, written to the disk as it arrives
contents   what lies in archives and in DICOM files of several pictures
pictures   photographs decoded and made small, by processes that may die
engine     one model, fed in small batches from all who ask
answers    embeddings become answers, with one classifier for each class list
jobs       many photographs, in a database that outlives the server
review     what a reader says of an answer
security   who may ask: host, origin, key
pages      what people see; with their templates and static files
client     the same in Python

It needs the extra ``serve``; nothing here is imported by the rest of the library.
"""
