"""Settings from files, as Docker and Kubernetes hand secrets over."""

from pathlib import Path

import pytest

from payflow.settings import Settings


def test_a_file_of_secrets_sets_what_the_environment_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "payflow_redis_url").write_text("redis://:password@redis.example.com:6379/0\n")
    (tmp_path / "payflow_log_level").write_text("DEBUG\n")
    (tmp_path / "somebody_elses").write_text("secret")
    monkeypatch.setenv("PAYFLOW_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("PAYFLOW_LOG_LEVEL", "ERROR")

    settings = Settings()

    assert settings.redis_url == "redis://:password@redis.example.com:6379/0"
    assert settings.log_level == "ERROR"


def test_without_the_folder_nothing_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAYFLOW_SECRETS_DIR", str(tmp_path / "absent"))

    assert Settings().redis_url == Settings.model_fields["redis_url"].default
