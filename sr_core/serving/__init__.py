"""Stills over HTTP: pictures as files, who gets a turn, and the two addresses that SageMaker asks of a container.

It takes the extra `serve` (Pillow, Starlette, uvicorn) beside what the network needs, and knows nothing of jobs.
"""
