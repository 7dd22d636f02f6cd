"""Sweeps over several machines: jobs go out to dask's workers, events come back to one database.

    ledger -> dispatch (who computes what) -> work (on the worker) -> a child, as on one machine
    store  <- dispatch (one event path)    <- a queue at the scheduler <-

    address   what was typed for a cluster
    connect   the way to a scheduler, and one with workers on this machine
    certificate  the one file that lets machines into a cluster
    link      orders out, messages back, through the scheduler
    asking    questions to workers beside their work
    start     which start of a worker's process has an order
    crew      which workers are there, and which of them will do
    muster    the same, asked once, for a person
    ability   what a worker's machine is, and whether it can compute
    stuck     models that nobody who is there can run
    running   a share that a worker has at this moment
    deal      how many jobs of which model a worker gets next
    orders    what is said between the two sides
    bring     a model's file on the worker: found, fetched or made, and the very same bytes

dask.distributed is an extra of its own: nothing here imports it before it is needed. This package
knows machines. It does not know the engine, SQL or screens; files and databases stay where they
are.
"""

from __future__ import annotations

from llprobe.cluster.address import Place, divided, host_of, is_loopback, parse_place
from llprobe.cluster.certificate import check_certificate, make_certificate
from llprobe.cluster.connect import hired
from llprobe.cluster.muster import Member, muster

__all__ = [
    "Member",
    "Place",
    "check_certificate",
    "divided",
    "hired",
    "host_of",
    "is_loopback",
    "make_certificate",
    "muster",
    "parse_place",
]
