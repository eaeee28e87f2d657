"""Find what is wrong and explain it: facts are gathered thinly and for real, judged purely.

`gather*` ask the file system, the broker, the database and the services; `judging` turns facts into
findings; `catalogue` holds what each finding means and what to do. Nothing here changes anything.
"""
