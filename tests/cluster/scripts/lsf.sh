#!/usr/bin/env bash

#BSUB -J coldstart
#BSUB -q gpu
#BSUB -n 4
#BSUB -R "span[hosts=1]"
#BSUB -M 16000000
#BSUB -W 02:00

python -m distributed.cli.dask_worker tcp://10.0.0.1:8786 --name coldstart --nthreads 4 --memory-limit 14.90GiB --nanny --death-timeout 60
