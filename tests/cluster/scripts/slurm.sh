#!/usr/bin/env bash

#SBATCH -J coldstart
#SBATCH -p gpu
#SBATCH -n 1
#SBATCH --cpus-per-task=4
#SBATCH --mem=15G
#SBATCH -t 02:00

python -m distributed.cli.dask_worker tcp://10.0.0.1:8786 --name coldstart --nthreads 4 --memory-limit 14.90GiB --nanny --death-timeout 60
