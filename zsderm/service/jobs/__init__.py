"""Many photographs that are classified together, in a database that outlives the server.

records   what stands in the database, as Python has it
store     the database: SQLite, with a write-ahead log
runner    the thread that works through the jobs, one after another
results   tables and the report of a job that is done
folders   where the photographs of a job lie
"""
