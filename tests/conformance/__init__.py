"""Does a result hold everything that its source held? Asked of real files, one for each trait that a source can have.

`reading` and `checks` are the checker: they see files through PyAV alone and share no code with the pipeline.
`sources*` make the clips, `cases*` say what is expected of each, `python -m tests.conformance` runs them all and writes
docs/conformance.md, and `test_conformance` runs those that take no time.
"""
