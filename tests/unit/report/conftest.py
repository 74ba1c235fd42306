import pytest

from pare.testing.studies import FakeStudy, fake_study


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory):
    return tmp_path_factory.mktemp("studies")


@pytest.fixture(scope="session")
def passed(folder) -> FakeStudy:
    return fake_study(folder / "pass", "pass")


@pytest.fixture(scope="session")
def failed(folder) -> FakeStudy:
    return fake_study(folder / "fail", "fail", measured=False, recorded=False, rows=120)


@pytest.fixture(scope="session")
def unproven(folder) -> FakeStudy:
    return fake_study(folder / "unproven", "unproven", look=2, truncated=True, rows=120)
