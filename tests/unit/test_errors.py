from pare import units
from pare.errors import InputError, Interrupted, MissingExtra, PareError, nearest


def test_exit_codes_follow_the_tree() -> None:
    assert (PareError.exit_code, InputError.exit_code, MissingExtra.exit_code, Interrupted.exit_code) == (70, 2, 2, 130)


def test_a_missing_extra_names_the_command() -> None:
    assert "pip install 'pare-lm[build]'" in str(MissingExtra("torch", "build", "fine-tuning"))


def test_nearest_names_near_words_and_all_where_they_are_few() -> None:
    assert nearest("acuracy", ["brier", "accuracy"]) == "did you mean accuracy? known: accuracy, brier"
    assert nearest("zzz", ["b", "a"]) == "known: a, b"
    many = [f"column{i}" for i in range(10)]
    assert nearest("column1", many).endswith("? known: " + ", ".join(many))
    assert nearest("columm_text", [*many, "column_text"]).endswith("?")


def test_nearest_says_no_word_twice() -> None:
    assert nearest("al-MiniLM", ["all-MiniLM"]) == "did you mean all-MiniLM?"


def test_units_read_as_people_write_them() -> None:
    assert [units.megabytes(n) for n in (4_100_000, 90_900_000, 120_000_000)] == ["4.10 MB", "90.9 MB", "120 MB"]
    assert [units.duration(s) for s in (45, 185, 7800)] == ["45 s", "3 min 05 s", "2 h 10 min"]
    assert [units.ratio(r) for r in (3.14, 22.2)] == ["3.1x", "22x"]
    assert units.percent(0.9236) == "92.4 %"
