#!/usr/bin/env bash

#PBS -N coldstart
#PBS -q gpu
#PBS -l select=1:ncpus=4:mem=15GB
#PBS -l walltime=02:00

python -m distributed.cli.dask_worker tcp://10.0.0.1:8786 --name coldstart --nthreads 4 --memory-limit 14.90GiB --nanny --death-timeout 60
