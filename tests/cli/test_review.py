"""`resight review`: what it refuses before it begins."""

from __future__ import annotations


def test_others_are_let_in_by_name_only(resight, catalogue, tmp_path):
    told = resight("review", "--catalogue", catalogue, "--host", "192.0.2.7")
    assert (told.code, "--users or --token-file" in told.err) == (2, True)
    (tmp_path / "tokens").write_text("anna:short\n")
    told = resight("review", "--catalogue", catalogue, "--token-file", tmp_path / "tokens")
    assert (told.code, "at least 20 characters" in told.err) == (2, True)
    told = resight("review", "--catalogue", catalogue, "--add-user", "anna")
    assert (told.code, "--users FILE" in told.err) == (2, True)
    assert resight("review", "--catalogue", tmp_path / "nothing").code == 2
