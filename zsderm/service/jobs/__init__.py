"""Jobs: many photographs that are classified together, in a database that survives a restart.

records   the records of the database as Python objects
store     the database: SQLite, with a write-ahead log
runner    the thread that works through the jobs, one after another
results   tables and the report of a finished job
folders   the folders with the photographs of a job
"""
