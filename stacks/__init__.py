"""What `cdk deploy` puts into an account: storage, compute, pipeline and operations, each a stack.

Stacks compose; `constructs` build. Of sr_core, only the names in `sr_core.contract` and the limits of media are known
here. Synthesis calls no AWS service and needs neither credentials nor Docker.
"""
