"""Command lines with a mistake: the mistake is named, and not what it makes missing."""

import pytest


@pytest.mark.parametrize("arguments, says", [
    (["ship", "a.log", "--too", "tcp://127.0.0.1:7070"], "sluice ship: '--too' is not known; did you mean '--to'?"),
    (["query", "--stroe", "s"], "sluice query: '--stroe' is not known; did you mean '--store'?"),
    (["run", "node.yaml"], "sluice run: 'node.yaml' is not expected here"),
    (["recieve"], "sluice: 'recieve' is not known; did you mean 'receive'?"),
    (["store", "verfy", "s"], "sluice store: 'verfy' is not known; did you mean 'verify'?"),
    (["query"], "sluice query: --store is required"),
    ([], "sluice: A subcommand is required"),
])
def test_the_mistake_is_named(sluice, arguments, says):
    result = sluice.run(*arguments)
    assert result.code == 64 and result.err.startswith(says + "\n"), result
