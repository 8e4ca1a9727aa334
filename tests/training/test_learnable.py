"""What of a stage does not go with item vectors that are computed from content."""

from __future__ import annotations

import pytest

from adrec_cli.errors import UsageError
from tests.training.small import small_training

CONTENT = {"content": "sum", "content_width": 3}


@pytest.mark.parametrize(
    ("stage", "training", "said", "instead"),
    [
        ({"embedding_decay": 0.5}, {}, "embedding_decay shrinks a table", "stages.train.embedding_decay=0"),
        ({}, {"embedding_optimizer": "sparse_adam"}, "steps rows of item vectors", "training.embedding_optimizer=adam"),
    ],
)
def test_what_changes_a_table_of_vectors_is_refused_where_they_are_computed(stage, training, said, instead):
    options = {"ranking_loss": "sampled_softmax", **stage}
    with pytest.raises(UsageError, match=said) as told:
        small_training("sasrec", "train", network=CONTENT, config=training, **options)
    assert instead in told.value.hint
    assert small_training("sasrec", "train", network=CONTENT, ranking_loss="sampled_softmax").steps > 0
    assert small_training("sasrec", "train", config=training, **options).steps > 0
