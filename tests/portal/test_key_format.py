"""The shape of a key: told from a mistyped one without asking the database."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.tenants import key_format

KEY = "tg_live_0a1B2c3D_" + "Zz9" * 10 + "Qq"


def test_a_key_has_prefix_public_id_secret_and_checksum() -> None:
    assert re.fullmatch(
        r"tg_live_[0-9A-Za-z]{8}_[0-9A-Za-z]{38}", key_format.generate()
    )


def test_a_generated_key_is_well_formed() -> None:
    assert all(key_format.is_well_formed(key_format.generate()) for _ in range(100))


def test_keys_do_not_repeat() -> None:
    assert len({key_format.generate() for _ in range(1000)}) == 1000


def test_the_secret_part_has_more_than_128_bits() -> None:
    assert len(key_format.BASE62) ** key_format.SECRET_LENGTH > 2**128


def test_the_checksum_is_the_crc_of_all_before_it() -> None:
    # Fixed, so that keys out there stay valid: change it and they all break.
    assert key_format.checksum(KEY) == "2Dudpf"
    assert key_format.is_well_formed(KEY + "2Dudpf")


@given(position=st.integers(0, 54), character=st.characters(codec="utf-8"))
def test_one_changed_character_is_malformed(position: int, character: str) -> None:
    key = KEY + key_format.checksum(KEY)
    changed = key[:position] + character + key[position + 1 :]
    assert key_format.is_well_formed(changed) == (changed == key)


@given(st.text())
def test_any_text_is_judged_without_an_error(text: str) -> None:
    assert key_format.is_well_formed(text) is False


@pytest.mark.parametrize("change", [str.upper, str.swapcase, str.strip, str.lower])
def test_case_matters(change: object) -> None:
    key = KEY + key_format.checksum(KEY)
    assert callable(change)
    assert key_format.is_well_formed(change(key)) == (change(key) == key)


@pytest.mark.parametrize("affix", ["\n", " ", "\0", "\u200b", "a"])
def test_nothing_may_stand_around_a_key(affix: str) -> None:
    key = KEY + key_format.checksum(KEY)
    assert not key_format.is_well_formed(key + affix)
    assert not key_format.is_well_formed(affix + key)


def test_digits_that_only_look_like_digits_are_malformed() -> None:
    assert not key_format.is_well_formed("tg_live_0a1B2c3" + "٣" + "_" + "a" * 38)


def test_a_derived_key_is_its_seeds_and_looks_like_any_other() -> None:
    found = [key_format.derive(seed) for seed in (b"a", b"a", b"b")]
    assert found[0] == found[1] != found[2]
    assert all(key_format.is_well_formed(key) for key in found)
    assert len({key_format.derive(bytes([n])) for n in range(200)}) == 200
