"""Video super-resolution in resumable stages: extract, upscale, encode, assemble.

The same stages run on a laptop (``sr run``) and as AWS Batch jobs (``sr upscale --job s3://… --chunk 7``).
"""

__version__ = "0.1.0"
