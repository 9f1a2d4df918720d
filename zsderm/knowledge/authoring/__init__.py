"""Making and checking knowledge bases: from tables, with a language model, against the schema, one against another."""
