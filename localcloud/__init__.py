"""The deployed pipeline on one machine: synthesized templates in moto, real jobs as processes, machines that die.

    cloud assembly (files) ── rewrites ──> moto: buckets, roles, queues, job definitions, state machines
                                             │
    an execution ── moto's interpreter ──> submitJob ──> Fleet: queues, environments, machines with slots
                                                            │
                          process: `sr upscale --job s3://… --chunk 7`, its job definition's environment
                                                            │ HTTP
                            Edge: rights of the job's role, faults, a journal ──> moto's S3

It knows the stacks by their templates alone. What moto needs to behave like AWS is listed in `rewrites` (of templates)
and `gaps` (of moto itself), each with its reason. What is not here: containers (a job sees this machine's files), GPUs,
and time (AWS's waits of minutes are cut short; the jobs' own are not).
"""
