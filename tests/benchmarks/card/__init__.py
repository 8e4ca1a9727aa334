"""What only a GPU can show: equality, bytes and times, in one script that needs no data and survives what fails.

python -m tests.benchmarks.card --smoke                       a first look, under 40 seconds
python -m tests.benchmarks.card --out DIR --seconds 300       everything, the most important first
python -m tests.benchmarks.card --device cpu --tiny           the script itself, on a machine without a GPU
"""
