"""The account: how the SDK is set up, what its failures mean, where the pipeline is deployed and what runs there.

With `sr_core.storage`, which stores in S3, the only importers of boto3. It knows neither videos nor job folders.
"""
