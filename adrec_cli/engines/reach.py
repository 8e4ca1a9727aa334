"""What Spark's workers do not see."""

from __future__ import annotations

from adrec_cli.data.addresses import find_address, is_address, show_address
from adrec_cli.data.options import PreprocessOptions
from adrec_cli.data.source_names import find_table
from adrec_cli.engines.spark.session import may_be_elsewhere
from adrec_cli.errors import UsageError
from adrec_cli.wording import option


def require_in_reach(source: str, options: PreprocessOptions) -> None:
    """Refuse an address or a query, whose copy is on this machine, where workers are on others.

    Raises:
        UsageError: naming what can be done instead.
    """
    if options.engine != "spark" or not may_be_elsewhere(options.spark_master):
        return
    if address := source if is_address(source) else find_address(options.join):
        what = show_address(address)
    else:
        what = "the answer of a database" if options.sql is not None else str(find_table(source) or "")
    if what:
        raise UsageError(
            f"{what} would be copied to this machine, where Spark's workers do not see it",
            hint="name a path that every worker has, or let Spark run on this machine: "
            f"{option('spark_master', 'local[*]')}",
        )
