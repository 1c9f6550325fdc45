"""What an assistant needs to read for a task: the sections of a repository, found and ranked without a model.

`sections` cuts pages, runbooks, desired state and code into pieces that stand alone, `index` keeps them in
SQLite and fresh, `ranking` puts them in order for a question. Reading only: no engine, no network.
"""
